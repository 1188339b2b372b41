using PeftCore.Models;
using PeftCore.Tokenizers;

namespace PeftCore.Extensions.AI.Embeddings;

/// <summary>A text as the tokens of one row.</summary>
/// <param name="Ids">The tokens, the special ones included.</param>
/// <param name="Types">The token types.</param>
/// <param name="PromptTokens">Tokens of the prompt at the start.</param>
internal sealed record TextRow(int[] Ids, int[] Types, int PromptTokens);

/// <summary>Encodes texts to rows, and rows to a padded batch.</summary>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="modules">What the model's directory says of texts.</param>
/// <param name="maxLength">Maximum tokens of a row.</param>
/// <param name="truncate">Whether a longer text is cut; otherwise it is refused.</param>
internal sealed class TextBatch(Tokenizer tokenizer, SentenceModules modules, int maxLength, bool truncate)
{
    /// <summary>Maximum tokens of a row.</summary>
    public int MaxLength => maxLength;

    /// <summary>The row of a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="prompt">The prompt before it; null for none.</param>
    /// <param name="index">The number of the text, for messages.</param>
    /// <exception cref="BadInputException">It has no tokens, or too many.</exception>
    public TextRow Encode(string text, string? prompt, int index)
    {
        var encoding = tokenizer.Encode(Prepare(prompt + text));
        if (encoding.Length == 0)
        {
            throw new BadInputException($"text {index} has no tokens; leave it out");
        }
        int promptTokens = string.IsNullOrEmpty(prompt) ? 0 : PromptLength(Prepare(prompt));
        if (encoding.Length <= maxLength)
        {
            return new TextRow(encoding.Ids, encoding.TypeIds, promptTokens);
        }
        if (!truncate)
        {
            throw new BadInputException($"text {index} has {encoding.Length} tokens, but the model reads {maxLength}; shorten it, or set " +
                $"{nameof(PeftCoreEmbeddingOptions.Truncate)}");
        }
        // The special tokens after the text stay.
        int after = encoding.SpecialTokensMask.AsEnumerable().Reverse().TakeWhile(isSpecial => isSpecial).Count();
        int kept = Math.Max(0, maxLength - after);
        return new TextRow(Cut(encoding.Ids), Cut(encoding.TypeIds), promptTokens);

        int[] Cut(int[] values) => [.. values[..kept], .. values[^Math.Min(after, maxLength)..]];
    }

    /// <summary>Rows of one length: padding comes after the tokens.</summary>
    public InputArrays Pad(IReadOnlyList<TextRow> rows)
    {
        int length = rows.Max(row => row.Ids.Length);
        int[] ids = new int[rows.Count * length], mask = new int[ids.Length], types = new int[ids.Length];
        ids.AsSpan().Fill(tokenizer.PadId ?? 0);
        for (int i = 0; i < rows.Count; i++)
        {
            rows[i].Ids.CopyTo(ids, i * length);
            rows[i].Types.CopyTo(types, i * length);
            mask.AsSpan(i * length, rows[i].Ids.Length).Fill(1);
        }
        return new InputArrays
        {
            Ids = ids,
            BatchSize = rows.Count,
            Mask = rows.All(row => row.Ids.Length == length) ? null : mask,
            TokenTypes = types.AsSpan().ContainsAnyExcept(0) ? types : null,
        };
    }

    private string Prepare(string text) => modules.LowerCases ? text.ToLowerInvariant() : text;

    /// <summary>Tokens of a prompt before a text: without a token that ends the sequence, as Sentence Transformers counts them.</summary>
    private int PromptLength(string prompt)
    {
        var encoding = tokenizer.Encode(prompt);
        return encoding.Length > 0 && tokenizer.IsSpecial(encoding.Ids[^1]) ? encoding.Length - 1 : encoding.Length;
    }
}
