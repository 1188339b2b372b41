namespace PeftCore.Nn;

/// <summary>Training mode of a model, and seed and step of its dropout masks. All modules of a model share one object.</summary>
public sealed class RunMode
{
    internal RunMode()
    {
    }

    /// <summary>Whether dropout is on.</summary>
    public bool Training { get; set; }

    /// <summary>Seed of the run.</summary>
    public ulong Seed { get; set; }

    /// <summary>Number of the forward pass. Masks are a function of it, so a recomputed pass gets the same ones.</summary>
    internal ulong Step { get; set; }
}
