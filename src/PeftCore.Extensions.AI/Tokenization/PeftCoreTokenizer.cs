using System.Buffers;
using Microsoft.ML.Tokenizers;
using Tokenizer = PeftCore.Tokenizers.Tokenizer;

namespace PeftCore.Extensions.AI;

/// <summary>A PeftCore tokenizer as a <see cref="Microsoft.ML.Tokenizers.Tokenizer"/>, for code that takes that type: text splitters,
/// token counters, vector stores. It reads any tokenizer.json, and may be used from several threads.
/// <code>
/// Microsoft.ML.Tokenizers.Tokenizer tokenizer = PeftCoreTokenizer.FromDirectory("./TinyLlama");
/// int count = tokenizer.CountTokens("Once upon a time");
/// </code></summary>
/// <remarks>Offsets are UTF-16 positions in the text as it was given, so there is never a normalized text. Tokens that are added around the
/// text have an empty offset: 0..0 before it, and its end after it.</remarks>
public sealed class PeftCoreTokenizer : Microsoft.ML.Tokenizers.Tokenizer
{
    private readonly bool _addSpecialTokens;
    private readonly bool _skipSpecialTokens;

    /// <summary>Wraps a tokenizer.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="addSpecialTokens">Whether the tokens that the model expects around a text are added.</param>
    /// <param name="skipSpecialTokens">Whether special tokens are left out of decoded text.</param>
    public PeftCoreTokenizer(Tokenizer tokenizer, bool addSpecialTokens = true, bool skipSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        (Inner, _addSpecialTokens, _skipSpecialTokens) = (tokenizer, addSpecialTokens, skipSpecialTokens);
        SpecialTokens = IdsOf(tokenizer);
    }

    /// <summary>The wrapped tokenizer.</summary>
    public Tokenizer Inner { get; }

    /// <summary>The special tokens that the model's files name, such as the beginning and the end of a sequence, with their ids.</summary>
    public IReadOnlyDictionary<string, int> SpecialTokens { get; }

    /// <summary>Reads the tokenizer of a model directory.</summary>
    /// <param name="directory">Has tokenizer.json, and perhaps tokenizer_config.json.</param>
    /// <param name="addSpecialTokens">Whether the tokens that the model expects around a text are added.</param>
    /// <param name="skipSpecialTokens">Whether special tokens are left out of decoded text.</param>
    /// <exception cref="BadInputException">A file is missing or damaged.</exception>
    public static PeftCoreTokenizer FromDirectory(string directory, bool addSpecialTokens = true, bool skipSpecialTokens = true) =>
        new(Tokenizer.FromDirectory(directory), addSpecialTokens, skipSpecialTokens);

    /// <inheritdoc/>
    public override string Decode(IEnumerable<int> ids) => Inner.Decode([.. ids], _skipSpecialTokens);

    /// <summary>Decodes ids into a buffer, as many as fit.</summary>
    /// <param name="ids">The ids.</param>
    /// <param name="destination">The buffer.</param>
    /// <param name="idsConsumed">The first ids, whose text is in the buffer in full.</param>
    /// <param name="charsWritten">The characters of that text.</param>
    /// <returns>Done, DestinationTooSmall, or InvalidData for an id that the vocabulary lacks.</returns>
    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
    {
        (idsConsumed, charsWritten) = (0, 0);
        var stream = Inner.StartStream(_skipSpecialTokens);
        int read = 0;
        foreach (int id in ids)
        {
            if (Inner.TokenOf(id) is null)
            {
                return OperationStatus.InvalidData;
            }
            read++;
            string piece = stream.Append(id);
            if (!piece.AsSpan().TryCopyTo(destination[charsWritten..]))
            {
                return OperationStatus.DestinationTooSmall;
            }
            charsWritten += piece.Length;
            // An id without text of its own, such as the first byte of a character, is consumed with the next one that has.
            idsConsumed = piece.Length > 0 ? read : idsConsumed;
        }
        string rest = stream.Finish();
        if (!rest.AsSpan().TryCopyTo(destination[charsWritten..]))
        {
            return OperationStatus.DestinationTooSmall;
        }
        (idsConsumed, charsWritten) = (read, charsWritten + rest.Length);
        return OperationStatus.Done;
    }

    /// <inheritdoc/>
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        text = TextOf(text, textSpan, settings);
        var (ids, tokens, offsets) = Encode(text);
        int count = Math.Min(ids.Length, settings.MaxTokenCount);
        var result = new EncodedToken[count];
        for (int i = 0; i < count; i++)
        {
            result[i] = new EncodedToken(ids[i], tokens[i], offsets[i]);
        }
        return new EncodeResults<EncodedToken> { Tokens = result, CharsConsumed = Consumed(text, ids.Length, count, offsets) };
    }

    /// <inheritdoc/>
    protected override EncodeResults<int> EncodeToIds(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        text = TextOf(text, textSpan, settings);
        var (ids, _, offsets) = Encode(text);
        int count = Math.Min(ids.Length, settings.MaxTokenCount);
        return new EncodeResults<int> { Tokens = ids[..count], CharsConsumed = Consumed(text, ids.Length, count, offsets) };
    }

    /// <inheritdoc/>
    protected override int CountTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings) =>
        Math.Min(Inner.Encode(TextOf(text, textSpan, settings), _addSpecialTokens).Length, settings.MaxTokenCount);

    /// <summary>The ids, tokens, and UTF-16 offsets of a text.</summary>
    private (int[] Ids, string[] Tokens, Range[] Offsets) Encode(string text)
    {
        var encoding = Inner.Encode(text, _addSpecialTokens);
        int[] starts = Utf16Starts(text);
        var offsets = new Range[encoding.Length];
        int end = 0;
        for (int i = 0; i < offsets.Length; i++)
        {
            var (from, to) = encoding.Offsets[i];
            int first = encoding.SpecialTokensMask[i] ? end : starts[from];
            int last = encoding.SpecialTokensMask[i] ? end : starts[to];
            end = Math.Max(end, last);
            offsets[i] = first..last;
        }
        return (encoding.Ids, encoding.Tokens, offsets);
    }

    /// <summary>The UTF-16 position of each code point of a text, and its end. A half of a surrogate pair counts as one.</summary>
    private static int[] Utf16Starts(string text)
    {
        var starts = new List<int>(text.Length + 1);
        for (int at = 0; at < text.Length; at += char.IsSurrogatePair(text, at) ? 2 : 1)
        {
            starts.Add(at);
        }
        starts.Add(text.Length);
        return [.. starts];
    }

    /// <summary>The characters that the first tokens cover: all of them if no token is left out.</summary>
    private static int Consumed(string text, int all, int count, Range[] offsets) =>
        count == all ? text.Length : count == 0 ? 0 : offsets[..count].Max(offset => offset.End.Value);

    private static string TextOf(string? text, ReadOnlySpan<char> span, EncodeSettings settings) =>
        settings is { ConsiderNormalization: true, ConsiderPreTokenization: true } ? text ?? span.ToString()
        : throw new NotSupportedException("a tokenizer.json is one whole: its normalizer and its pre-tokenizer cannot be left out; pass " +
            "true for considerNormalization and considerPreTokenization");

    private static Dictionary<string, int> IdsOf(Tokenizer tokenizer)
    {
        var ids = new Dictionary<string, int>();
        foreach (string token in tokenizer.SpecialTokens.Values)
        {
            if (tokenizer.IdOf(token) is { } id)
            {
                ids[token] = id;
            }
        }
        return ids;
    }
}
