namespace PeftCore.Cli.Explain;

/// <summary>Finds blocks that are like the one before, so that a text shows one of them.</summary>
internal static class RepeatedBlocks
{
    /// <summary>The path of the block that a module is in, up to its first number: "layers.0" of "layers.0.mlp"; empty for
    /// others.</summary>
    public static string BlockOf(string module)
    {
        int start = 0;
        while (start < module.Length)
        {
            int end = module.IndexOf('.', start);
            end = end < 0 ? module.Length : end;
            if (NumberText.TryDigits(module.AsSpan(start, end - start), out _))
            {
                return module[..end];
            }
            start = end + 1;
        }
        return "";
    }

    /// <summary>Joins neighbours that have equal signatures, if they are of blocks.</summary>
    /// <param name="parts">The parts, with the path of their block, and what they show apart from it.</param>
    /// <returns>Index of the first part of each group, and the number of parts.</returns>
    public static IEnumerable<(int First, int Count)> Group(IReadOnlyList<(string Block, string Signature)> parts)
    {
        for (int first = 0, next; first < parts.Count; first = next)
        {
            next = first + 1;
            while (parts[first].Block.Length > 0 && next < parts.Count && Stack(parts[next].Block) == Stack(parts[first].Block)
                && parts[next].Signature == parts[first].Signature)
            {
                next++;
            }
            yield return (first, next - first);
        }
    }

    /// <summary>"layers.2 and layers.3", or "layers.2 to layers.7", after the first block of a group.</summary>
    public static string Others(IReadOnlyList<string> blocks) => blocks.Count switch
    {
        1 => blocks[0],
        2 => $"{blocks[0]} and {blocks[1]}",
        _ => $"{blocks[0]} to {blocks[^1]}",
    };

    private static string Stack(string block) => block[..Math.Max(0, block.LastIndexOf('.'))];
}
