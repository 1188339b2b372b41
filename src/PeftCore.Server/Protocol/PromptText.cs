using PeftCore.Server.Http;
using PeftCore.Tokenizers;

namespace PeftCore.Server.Protocol;

/// <summary>A text of a request, or the tokens of one.</summary>
internal sealed record PromptText
{
    private readonly string? _text;
    private readonly int[]? _tokens;

    public PromptText(string text) => _text = text;

    public PromptText(int[] tokens) => _tokens = tokens;

    /// <summary>Reads a text, a list of texts, a list of token ids, or a list of such lists.</summary>
    public static IReadOnlyList<PromptText> ListOf(Field field)
    {
        if (field.IsText)
        {
            return [new PromptText(field.Text())];
        }
        var items = field.Items();
        return items.Count > 0 && !items[0].IsText && !items[0].IsList ? [TokensOf(items)]
            : [.. items.Select(item => item.IsText ? new PromptText(item.Text()) : TokensOf(item.Items()))];
    }

    /// <summary>The tokens; those of a text with the special tokens that the tokenizer puts around every text.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="continues">Whether the text is continued, so that no end-of-text token may stand behind it.</param>
    public int[] Tokens(Tokenizer tokenizer, bool continues)
    {
        if (_tokens is not null)
        {
            return _tokens;
        }
        int[] ids = [.. tokenizer.Encode(_text!).Ids];
        return continues && ids.Length > 1 && ids[^1] == tokenizer.EosId ? ids[..^1] : ids;
    }

    /// <summary>The text, decoded if the request has tokens.</summary>
    public string Text(Tokenizer tokenizer) => _text ?? tokenizer.Decode(_tokens);

    private static PromptText TokensOf(IReadOnlyList<Field> items) => new([.. items.Select(item => (int)item.Whole(0, int.MaxValue))]);
}
