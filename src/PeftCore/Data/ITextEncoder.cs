using System.Text.Json;
using PeftCore.Tokenizers;

namespace PeftCore.Data;

/// <summary>The part of a tokenizer that encoding of data needs.</summary>
internal interface ITextEncoder
{
    /// <summary>The begin-of-text token; null without one.</summary>
    int? BosId { get; }

    /// <summary>The end-of-text token; null without one.</summary>
    int? EosId { get; }

    /// <summary>The mask token; null without one.</summary>
    int? MaskId { get; }

    /// <summary>The token for unknown text; null without one.</summary>
    int? UnkId => null;

    /// <summary>The padding token; null without one.</summary>
    int? PadId => null;

    /// <summary>Number of tokens.</summary>
    int VocabularySize { get; }

    /// <summary>Encodes a text, with or without the tokenizer's special tokens around it.</summary>
    EncodedText Encode(string text, bool addSpecialTokens);

    /// <summary>Encodes two texts with the tokenizer's special tokens around them.</summary>
    EncodedText EncodePair(string text, string pair);

    /// <summary>Renders a conversation by the chat template, and finds the assistant's answers in the text; null without a
    /// template.</summary>
    /// <param name="turns">The conversation.</param>
    /// <param name="variables">Other variables of the template, such as "tools".</param>
    /// <param name="marked">Whether to find the assistant's answers.</param>
    RenderedChat? RenderChat(IReadOnlyList<ChatMessage> turns, IReadOnlyDictionary<string, JsonElement>? variables, bool marked);
}

/// <summary>The tokens of a text.</summary>
/// <param name="Ids">The tokens.</param>
/// <param name="Starts">Start of each in the text, in code points.</param>
/// <param name="Ends">End of each in the text, in code points.</param>
/// <param name="IsSpecial">Whether the tokenizer added the token, so that it covers no text.</param>
/// <param name="TypeIds">The type of each: which of two texts it belongs to, as the tokenizer's template numbers them.</param>
internal readonly record struct EncodedText(int[] Ids, int[] Starts, int[] Ends, bool[] IsSpecial, int[] TypeIds);
