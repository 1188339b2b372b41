using PeftCore.Tokenizers;

namespace PeftCore.Data;

/// <summary>What the data code needs of a tokenizer.</summary>
internal interface ITextEncoder
{
    /// <summary>The token that begins a text, or null if there is none.</summary>
    int? BosId { get; }

    /// <summary>The token that ends a text, or null if there is none.</summary>
    int? EosId { get; }

    /// <summary>Encodes a text; with special tokens as the tokenizer puts them around a text, or without.</summary>
    EncodedText Encode(string text, bool addSpecialTokens);

    /// <summary>A conversation as text in the model's own form, and what the assistant says in it; null if there is no chat
    /// template.</summary>
    /// <param name="turns">The conversation.</param>
    /// <param name="variables">What else the template reads, such as "tools".</param>
    /// <param name="marked">Whether what the assistant says is looked for.</param>
    RenderedChat? RenderChat(IReadOnlyList<ChatMessage> turns, IReadOnlyDictionary<string, object?>? variables, bool marked);
}

/// <summary>The tokens of a text.</summary>
/// <param name="Ids">The tokens.</param>
/// <param name="Starts">Where in the text each begins, in code points.</param>
/// <param name="Ends">Where in the text each ends, in code points.</param>
/// <param name="IsSpecial">Whether a token was put there by the tokenizer and stands for no text.</param>
internal readonly record struct EncodedText(int[] Ids, int[] Starts, int[] Ends, bool[] IsSpecial);
