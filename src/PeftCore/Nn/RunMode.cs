namespace PeftCore.Nn;

/// <summary>How a model runs: training or not, and what its dropout masks are computed from. One object a model, shared by its
/// layers.</summary>
public sealed class RunMode
{
    /// <summary>Whether dropout is on.</summary>
    public bool Training { get; set; }

    /// <summary>Seed of the run.</summary>
    public ulong Seed { get; set; }

    /// <summary>Number of the forward pass; masks differ from one to the next, and a pass that is run again finds its own.</summary>
    internal ulong Step { get; set; }
}
