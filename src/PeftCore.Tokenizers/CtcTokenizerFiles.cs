using System.Buffers;
using System.Text.Json;

namespace PeftCore.Tokenizers;

/// <summary>Reads the tokenizer of wav2vec 2.0 (Wav2Vec2CTCTokenizer), which has a vocab.json of characters instead of a tokenizer.json: it
/// is written as the tokenizer.json that means the same. Spaces are the word delimiter, each character is a token, and decoding collapses
/// repeats and drops padding.</summary>
internal static class CtcTokenizerFiles
{
    private const string VocabularyName = "vocab.json", ConfigName = "tokenizer_config.json", ClassName = "Wav2Vec2CTCTokenizer";
    private const string UsualDelimiter = "|", UsualPad = "<pad>", UsualUnknown = "<unk>";

    /// <summary>Reads a directory without a tokenizer.json.</summary>
    /// <returns>Null if it has no vocabulary of this kind.</returns>
    /// <exception cref="BadInputException">A field is not supported, or the vocabulary has several languages.</exception>
    public static Tokenizer? Find(TokenizerFiles files)
    {
        if (files.Content(VocabularyName) is not { } content || files.Content("merges.txt") is not null)
        {
            return null;
        }
        var fields = files.Read(ConfigName, Fields) ?? new(UsualDelimiter, UsualPad, UsualUnknown);
        string path = files.PathOf(VocabularyName);
        byte[] json = JsonField.ReadBytes(path, content, vocabulary => Write(vocabulary, fields));
        var config = TokenizerConfig.Read(files);
        var roles = new Dictionary<string, string>(config.SpecialTokens);
        roles.TryAdd("pad_token", fields.Pad);
        roles.TryAdd("unk_token", fields.Unknown);
        return JsonField.ReadBytes(path, json, root => TokenizerReader.Read(root, config with { SpecialTokens = roles }));
    }

    private static CtcFields Fields(JsonField root)
    {
        if (root["tokenizer_class"].AsStringOrNull() is { } name && name != ClassName)
        {
            throw root["tokenizer_class"].Bad($"\"{ClassName}\" beside a vocab.json and no tokenizer.json");
        }
        foreach (string field in new[] { "do_lower_case", "target_lang" })
        {
            if (root[field] is { IsNull: false, Element.ValueKind: not JsonValueKind.False } given)
            {
                throw given.Bad("nothing there: capitals are not changed, and the vocabulary has one language");
            }
        }
        if (root["replace_word_delimiter_char"].AsStringOrNull() is not (null or " "))
        {
            throw root["replace_word_delimiter_char"].Bad("a space");
        }
        return new(root["word_delimiter_token"].AsStringOrNull() ?? UsualDelimiter, Token(root["pad_token"]) ?? UsualPad,
            Token(root["unk_token"]) ?? UsualUnknown);
    }

    // A token is a string, or an object that says how it is matched.
    private static string? Token(JsonField field) => field.Element.ValueKind == JsonValueKind.Object
        ? field["content"].AsStringOrNull() : field.AsStringOrNull();

    private static byte[] Write(JsonField vocabulary, CtcFields fields)
    {
        vocabulary.AsObject();
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WritePropertyName("normalizer");
            json.WriteRawValue($$"""{"type":"Replace","pattern":{"String":" "},"content":{{Quoted(fields.Delimiter)}}}""");
            json.WritePropertyName("pre_tokenizer");
            json.WriteRawValue("""{"type":"FixedLength","length":1}""");
            json.WritePropertyName("decoder");
            json.WriteRawValue($$"""
                {"type":"CTC","pad_token":{{Quoted(fields.Pad)}},"word_delimiter_token":{{Quoted(fields.Delimiter)}},"cleanup":true}
                """);
            json.WritePropertyName("model");
            json.WriteStartObject();
            json.WriteString("type", "WordLevel");
            json.WriteString("unk_token", fields.Unknown);
            json.WritePropertyName("vocab");
            json.WriteStartObject();
            foreach (var token in vocabulary.Element.EnumerateObject())
            {
                if (token.Value.ValueKind != JsonValueKind.Number)
                {
                    throw vocabulary.Child(token.Name, token.Value).Bad("the number of a token; vocabularies of several languages " +
                        "are not supported");
                }
                json.WritePropertyName(token.Name);
                token.Value.WriteTo(json);
            }
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndObject();
        }
        return buffer.WrittenSpan.ToArray();
    }

    private static string Quoted(string text) => $"\"{JsonEncodedText.Encode(text)}\"";

    /// <param name="Delimiter">The token between words.</param>
    /// <param name="Pad">The padding token, which is the blank.</param>
    /// <param name="Unknown">The token of unknown characters.</param>
    private sealed record CtcFields(string Delimiter, string Pad, string Unknown);
}
