using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using PeftCore.Server.Http;

namespace PeftCore.Lab.Http;

/// <summary>Admits requests of the lab's own page alone. Any page in a browser can send requests to this machine, and other users of the
/// machine can, too: they lack the token, which only the printed address has.</summary>
internal sealed class LabGate
{
    /// <summary>The name of the token in the printed address.</summary>
    public const string Query = "token";

    /// <summary>The header of programs that are no browser.</summary>
    public const string Header = "X-Lab-Token";

    private readonly byte[] _token;
    private int _port;

    public LabGate()
    {
        Token = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));
        _token = Encoding.UTF8.GetBytes(Token);
    }

    /// <summary>48 random hexadecimal digits.</summary>
    public string Token { get; }

    /// <summary>The cookie's name: cookies of one host are shared by all its ports.</summary>
    private string Cookie => $"peftcore_lab_{_port}";

    /// <summary>Sets the port that is listened on.</summary>
    public void Open(int port) => _port = port;

    /// <summary>Refuses a request that is not of the lab's own page.</summary>
    /// <exception cref="ApiException">The host or the origin is another, or the token is missing or wrong.</exception>
    public void Check(HttpContext context)
    {
        var headers = context.Request.Headers;
        // A name that someone else's DNS resolves to 127.0.0.1 would make that page's origin the lab's.
        if (!IsOwn(headers.Host.ToString()))
        {
            throw new ApiException(403, $"the host of the request is not 127.0.0.1:{_port}; open the address that peftcore lab printed",
                code: "wrong_host");
        }
        if (headers.Origin.ToString() is { Length: > 0 } origin && !(Uri.TryCreate(origin, UriKind.Absolute, out var parsed)
            && parsed.Scheme == Uri.UriSchemeHttp && IsOwn(parsed.Authority)))
        {
            throw new ApiException(403, "the request comes from another page than the lab's", code: "wrong_origin");
        }
        if (headers["Sec-Fetch-Site"].ToString() is "cross-site" or "same-site" && headers["Sec-Fetch-Mode"] != "navigate")
        {
            throw new ApiException(403, "the request comes from another page than the lab's", code: "wrong_origin");
        }
        string? asked = context.Request.Query[Query];
        string? given = asked ?? (headers[Header].ToString() is { Length: > 0 } header ? header : context.Request.Cookies[Cookie]);
        if (given is null || !CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), _token))
        {
            throw new ApiException(401, $"the token is {(given is null ? "missing" : "not the lab's")}; open the address that " +
                "peftcore lab printed", code: "invalid_token");
        }
        if (asked is not null)
        {
            context.Response.Cookies.Append(Cookie, Token, new CookieOptions
            {
                HttpOnly = true, SameSite = SameSiteMode.Strict, Path = "/", IsEssential = true,
            });
        }
    }

    private bool IsOwn(string authority) => authority == $"127.0.0.1:{_port}" || authority == $"localhost:{_port}";
}
