namespace PeftCore.Backends;

/// <summary>A block of an arena: a part of a chunk, in use or free.</summary>
internal sealed class ArenaBlock
{
    public nint Address { get; set; }

    /// <summary>Its place among all blocks, by the order in which the arena took the chunks. The system gives chunks addresses in any
    /// order; by place, a plan and its run choose the same blocks.</summary>
    public nint Place { get; set; }

    public long Bytes { get; set; }

    public bool Free { get; set; }

    public ArenaBlock? Previous { get; set; }

    public ArenaBlock? Next { get; set; }
}
