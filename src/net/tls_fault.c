#include "net/tls_fault.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *tls_fault_reason(void)
{
    unsigned long code = ERR_peek_last_error();
    ERR_clear_error();
    if (ERR_SYSTEM_ERROR(code))
        return strerror(ERR_GET_REASON(code));
    const char *words = code ? ERR_reason_error_string(code) : NULL;
    return words ? words : "no reason given";
}

/* A name the certificate is for, to show beside the one that was asked for. */
static void first_name(const X509 *cert, char *out, size_t out_bytes)
{
    snprintf(out, out_bytes, "another name");
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_DNS)
            continue;
        const ASN1_IA5STRING *text = name->d.dNSName;
        snprintf(out, out_bytes, "'%.*s'", ASN1_STRING_length(text),
                 (const char *)ASN1_STRING_get0_data(text));
        break;
    }
    GENERAL_NAMES_free(names);
}

static int wrong_host(const X509 *cert, const char *host, struct err *e)
{
    char name[128] = "another name";
    if (cert)
        first_name(cert, name, sizeof name);
    return err_set(e, ERR_TLS,
                   "the server's certificate is for %s, not for '%s'; use the name it is for, or "
                   "--insecure",
                   name, host);
}

static int bad_certificate(long verdict, const X509 *cert, const char *host, struct err *e)
{
    switch (verdict) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return err_set(e, ERR_TLS,
                       "the certificate of '%s' has expired; renew it, or use --insecure", host);
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return err_set(e, ERR_TLS,
                       "the certificate of '%s' is not valid yet; is this machine's clock right?",
                       host);
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return wrong_host(cert, host, e);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return err_set(e, ERR_TLS,
                       "the certificate of '%s' is self-signed and not trusted here; use --cacert "
                       "FILE or --insecure",
                       host);
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        return err_set(e, ERR_TLS,
                       "the certificate of '%s' was signed by an issuer unknown here; use --cacert "
                       "FILE or --insecure",
                       host);
    default:
        return err_set(e, ERR_TLS, "the certificate of '%s' is refused: %s", host,
                       X509_verify_cert_error_string(verdict));
    }
}

static bool looks_plain(int reason)
{
    return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
           reason == SSL_R_HTTPS_PROXY_REQUEST || reason == SSL_R_PACKET_LENGTH_TOO_LONG;
}

int tls_fault_handshake(SSL *ssl, const X509 *refused, const char *host, struct err *e)
{
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);
    if (host && ERR_GET_LIB(code) == ERR_LIB_SSL) {
        if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
            ERR_clear_error();
            return bad_certificate(SSL_get_verify_result(ssl), refused, host, e);
        }
        if (looks_plain(reason)) {
            ERR_clear_error();
            return err_set(e, ERR_TLS, "the server does not speak TLS; did you mean http://?");
        }
        if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION) {
            ERR_clear_error();
            return err_set(e, ERR_TLS, "the server offers no TLS from version 1.2 on");
        }
    }
    return err_set(e, ERR_TLS, "the TLS handshake failed: %s", tls_fault_reason());
}

int tls_fault_stream(const char *host, struct err *e)
{
    return err_set(e, ERR_TLS, "%s%s broke the TLS connection: %s", host ? "the server " : "",
                   host ? host : "the client", tls_fault_reason());
}
