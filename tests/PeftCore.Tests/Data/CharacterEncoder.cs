using System.Text;
using System.Text.Json;
using PeftCore.Data;
using PeftCore.Tokenizers;

namespace PeftCore.Tests.Data;

/// <summary>A tokenizer for tests: one token per code point (its value), begin 1 and end 2, and a plain chat form.</summary>
internal sealed class CharacterEncoder : ITextEncoder
{
    public const int Bos = 1, Eos = 2;

    public bool AddsBos { get; init; }

    public bool AddsEos { get; init; }

    public bool HasChat { get; init; } = true;

    /// <summary>Two code points that are encoded as one token, 3.</summary>
    public string? Pair { get; init; }

    public int? BosId => Bos;

    public int? EosId => Eos;

    public int? MaskId { get; init; } = 4;

    public int VocabularySize => 100;

    public EncodedText Encode(string text, bool addSpecialTokens)
    {
        var tokens = new List<(int Id, int Start, int End, bool Special)>();
        if (addSpecialTokens && AddsBos)
        {
            tokens.Add((Bos, 0, 0, true));
        }

        Rune[] runes = [.. text.EnumerateRunes()];
        for (int i = 0; i < runes.Length; i++)
        {
            bool pair = Pair is not null && i + 1 < runes.Length && $"{runes[i]}{runes[i + 1]}" == Pair;
            tokens.Add(pair ? (3, i, i + 2, false) : (runes[i].Value, i, i + 1, false));
            i += pair ? 1 : 0;
        }
        if (addSpecialTokens && AddsEos)
        {
            tokens.Add((Eos, 0, 0, true));
        }

        return new EncodedText([.. tokens.Select(t => t.Id)], [.. tokens.Select(t => t.Start)], [.. tokens.Select(t => t.End)],
            [.. tokens.Select(t => t.Special)], new int[tokens.Count]);
    }

    // Begin, text, end, pair, end; the pair and the end after it have type 1.
    public EncodedText EncodePair(string text, string pair)
    {
        var (first, second) = (Encode(text, addSpecialTokens: true), Encode(pair, addSpecialTokens: false));
        int[] tail = AddsEos ? [Eos] : [];
        return new EncodedText([.. first.Ids, .. second.Ids, .. tail], [.. first.Starts, .. second.Starts, .. tail.Select(_ => 0)],
            [.. first.Ends, .. second.Ends, .. tail.Select(_ => 0)], [.. first.IsSpecial, .. second.IsSpecial, .. tail.Select(_ => true)],
            [.. first.TypeIds, .. second.Ids.Select(_ => 1), .. tail.Select(_ => 1)]);
    }

    public RenderedChat? RenderChat(IReadOnlyList<ChatMessage> turns, IReadOnlyDictionary<string, JsonElement>? variables, bool marked)
    {
        if (!HasChat)
        {
            return null;
        }

        var text = new StringBuilder();
        var spans = new List<TextRange>();
        foreach (var turn in turns)
        {
            text.Append($"[{turn.Role[0]}]");
            int start = text.Length;
            text.Append($"{turn.Content};");
            if (turn.Role == "assistant" && turn.Content != "lost")
            {
                spans.Add(new TextRange(start, text.Length));
            }
        }
        return turns[0].Content == "refused" ? throw new BadInputException("the chat template says no.")
            : new RenderedChat(text.ToString(), spans);
    }

    /// <summary>The learned tokens of an example as text, the others as dots.</summary>
    public static string Show(Example example) => string.Concat(example.Labels.Select(id => id switch
    {
        Example.Masked => ".",
        Bos => "<",
        Eos => ">",
        _ => char.ConvertFromUtf32(id),
    }));

    public static string ShowIds(Example example) => Show(example with { Labels = example.Ids });
}
