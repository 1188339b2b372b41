namespace PeftCore.Server;

/// <summary>How the server listens and what it refuses.</summary>
public sealed record ServerOptions
{
    /// <summary>The address to listen on: an IP address, or localhost.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>The port; 0 for any free one.</summary>
    public int Port { get; init; } = 8000;

    /// <summary>The secret that requests must send; null for none.</summary>
    public string? ApiKey { get; init; }

    /// <summary>The largest body of a request in bytes.</summary>
    public long MaxRequestBytes { get; init; } = 1 << 20;

    /// <summary>The most tokens of prompt and answer together; null for the model's context.</summary>
    public int? MaxContext { get; init; }

    /// <summary>The most texts that are generated at once.</summary>
    public int MaxConcurrent { get; init; } = 16;

    /// <summary>The most bytes for the keys and values of the texts that are generated at once.</summary>
    public long MaxCacheBytes { get; init; } = 1L << 30;

    /// <summary>The most texts that wait; a request for more is answered with 429.</summary>
    public int MaxQueue { get; init; } = 256;

    /// <summary>The longest time of a request, waiting included.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long running requests may take to end after a signal to stop.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(30);
}
