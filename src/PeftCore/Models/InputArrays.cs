namespace PeftCore.Models;

/// <summary>The inputs of a batch in host memory, row-major. A model uploads what it reads.</summary>
public sealed record InputArrays
{
    /// <summary>(B, T): token ids.</summary>
    public required int[] Ids { get; init; }

    /// <summary>Number of rows, B.</summary>
    public required int BatchSize { get; init; }

    /// <summary>(B, T): 1 for a token, 0 for padding; null without padding.</summary>
    public int[]? Mask { get; init; }

    /// <summary>(B, T): 0 for tokens of the first text, 1 for those of the second; null for zeros.</summary>
    public int[]? TokenTypes { get; init; }

    /// <summary>(B, T'): the tokens of the target, −100 for padding. An encoder-decoder reads them, one place later, as the inputs of its
    /// decoder.</summary>
    public int[]? Labels { get; init; }

    /// <summary>(B, T): 1 for a token, 0 for padding that is attended to as a token; null if <see cref="Mask"/> says it.</summary>
    internal int[]? Tokens { get; init; }

    /// <summary>(B, T): positions; null to count the tokens of each row.</summary>
    internal int[]? Positions { get; init; }

    /// <summary>(B, T, 2): the keys [first, end) of each token; null to derive them from the mask.</summary>
    internal int[]? Ranges { get; init; }

    /// <summary>These inputs with other positions.</summary>
    internal InputArrays WithPositions(int[] positions) => new()
    {
        Ids = Ids,
        BatchSize = BatchSize,
        Mask = Mask,
        TokenTypes = TokenTypes,
        Labels = Labels,
        Positions = positions,
        Ranges = Ranges,
        Tasks = Tasks,
    };

    /// <summary>(B): the task of each row, for adapters with several tasks; null without tasks.</summary>
    internal int[]? Tasks { get; init; }
}
