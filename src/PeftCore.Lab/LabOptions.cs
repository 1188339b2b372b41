namespace PeftCore.Lab;

/// <summary>What the lab trains, and where it listens: always on 127.0.0.1.</summary>
public sealed record LabOptions
{
    /// <summary>Directory of the base model.</summary>
    public required string Model { get; init; }

    /// <summary>Directory of the data, with rows to train on and held-out rows.</summary>
    public required string Data { get; init; }

    /// <summary>The port; 0 for any free one.</summary>
    public int Port { get; init; }

    /// <summary>CPU threads; 0 for all cores.</summary>
    public int Threads { get; init; }

    /// <summary>The program's version, which an exported lesson names.</summary>
    public string Version { get; init; } = "0.1.0";
}
