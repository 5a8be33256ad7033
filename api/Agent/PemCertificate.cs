using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PodCheckpointing.Api.Agent;

/// <summary>A certificate and its key in two PEM files that somebody renews.</summary>
/// <remarks>
/// The text is compared, not the time: a mounted Secret is renewed by turning a link two levels up. Files that are half
/// written, or of which one is new and one old, leave the last good pair in use.
/// </remarks>
internal sealed class PemCertificate(string certificateFile, string keyFile)
{
    private readonly Lock _lock = new();
    private string _text = "";
    private SslStreamCertificateContext? _current;

    /// <summary>What the files hold now.</summary>
    public SslStreamCertificateContext Current
    {
        get
        {
            lock (_lock)
            {
                try
                {
                    var (certificate, key) = (File.ReadAllText(certificateFile), File.ReadAllText(keyFile));
                    if (_current is null || _text != certificate + key)
                    {
                        // The pair that was before is still in the hands of open connections; it is not disposed of.
                        _current = SslStreamCertificateContext.Create(
                            X509Certificate2.CreateFromPem(certificate, key), null, offline: true);
                        _text = certificate + key;
                    }
                }
                catch (Exception exception) when (
                    _current is not null && exception is IOException or CryptographicException or ArgumentException)
                {
                    return _current!;
                }

                return _current;
            }
        }
    }
}
