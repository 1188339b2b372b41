namespace PeftCore.Server.Http;

/// <summary>A request that is answered with an error object instead of a result. The message is one sentence.</summary>
/// <param name="status">The HTTP status.</param>
/// <param name="message">What was found, what is expected.</param>
/// <param name="param">The request's field that is wrong; null for none.</param>
/// <param name="code">A name of the error for programs; null for none.</param>
internal sealed class ApiException(int status, string message, string? param = null, string? code = null) : Exception(message)
{
    public int Status => status;

    public string? Param => param;

    public string? Code => code;

    /// <summary>The class of the error, as OpenAI's clients know them.</summary>
    public string Type => status switch
    {
        401 => "authentication_error",
        429 => "rate_limit_error",
        >= 500 => "server_error",
        _ => "invalid_request_error",
    };

    /// <summary>Seconds after which the client may try again; null if trying again does not help.</summary>
    public int? RetryAfter { get; init; }

    /// <summary>A field with a value that is not accepted.</summary>
    public static ApiException Bad(string field, string message, string? code = null) => new(400, message, field, code);
}
