namespace PeftCore.Tokenizers;

/// <summary>What becomes of the matches of a pattern that splits a text.</summary>
internal enum SplitBehavior
{
    /// <summary>The matches are dropped.</summary>
    Removed,

    /// <summary>Each match is a piece of its own.</summary>
    Isolated,

    /// <summary>A match joins the piece before it.</summary>
    MergedWithPrevious,

    /// <summary>A match joins the piece after it.</summary>
    MergedWithNext,

    /// <summary>Matches in a row are one piece.</summary>
    Contiguous,
}
