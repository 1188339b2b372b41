using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace PeftCore.Server.Http;

/// <summary>The secret that requests must send as <c>Authorization: Bearer KEY</c>.</summary>
/// <param name="key">The secret; null if none is needed.</param>
internal sealed class ApiKey(string? key)
{
    private const string Scheme = "Bearer ";

    private readonly byte[]? _key = key is null ? null : Encoding.UTF8.GetBytes(key);

    /// <summary>Refuses a request without the key. The comparison takes the same time wherever two keys of one length differ.</summary>
    /// <exception cref="ApiException">The key is missing or wrong.</exception>
    public void Check(HttpContext context)
    {
        if (_key is null)
        {
            return;
        }
        string given = context.Request.Headers.Authorization.ToString();
        if (!given.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            throw Refusal(context, "this server needs an API key; send it as \"Authorization: Bearer KEY\"");
        }
        if (!CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given[Scheme.Length..].Trim()), _key))
        {
            throw Refusal(context, "the API key is not the one of this server");
        }
    }

    private static ApiException Refusal(HttpContext context, string sentence)
    {
        context.Response.Headers.WWWAuthenticate = "Bearer";
        return new ApiException(401, sentence, code: "invalid_api_key");
    }
}
