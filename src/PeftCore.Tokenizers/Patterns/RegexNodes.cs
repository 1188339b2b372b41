namespace PeftCore.Tokenizers;

/// <summary>A part of a regular expression as Oniguruma understands it.</summary>
internal abstract record RegexNode
{
    /// <summary>One character.</summary>
    internal sealed record Character(CharacterClass Class) : RegexNode;

    /// <summary>One part after the other.</summary>
    internal sealed record Sequence(IReadOnlyList<RegexNode> Parts) : RegexNode;

    /// <summary>The first alternative that leads to a match.</summary>
    internal sealed record Alternation(IReadOnlyList<RegexNode> Branches) : RegexNode;

    /// <summary>A part in a group that .NET opens with <paramref name="Opening"/>: atomic, looking ahead or behind, or plain.</summary>
    internal sealed record Group(string Opening, RegexNode Body) : RegexNode;

    /// <summary>A part several times; <paramref name="Max"/> -1 is without limit.</summary>
    internal sealed record Repeat(RegexNode Body, int Min, int Max, Greed Greed) : RegexNode;

    /// <summary>A position between characters (an anchor).</summary>
    internal sealed record Anchor(string Net) : RegexNode;

    /// <summary>A word boundary.</summary>
    internal sealed record WordBoundary(bool Negated) : RegexNode;
}

/// <summary>How a repetition chooses its length.</summary>
internal enum Greed
{
    /// <summary>As long as possible, shorter if the rest needs it.</summary>
    Greedy,

    /// <summary>As short as possible.</summary>
    Lazy,

    /// <summary>As long as possible, and never shorter.</summary>
    Possessive,
}
