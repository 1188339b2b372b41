namespace PeftCore.Tokenizers;

/// <summary>Reads the "added_tokens" of a tokenizer.json.</summary>
internal static class AddedTokenReader
{
    public static List<AddedToken> Read(JsonField field) => field.IsNull ? [] : [.. field.Items().Select(ReadToken)];

    private static AddedToken ReadToken(JsonField field)
    {
        field.Only("id", "content", "single_word", "lstrip", "rstrip", "normalized", "special");
        return new AddedToken(
            field["id"].AsIndex(),
            field["content"].AsString(),
            field["single_word"].AsBool(),
            field["lstrip"].AsBool(),
            field["rstrip"].AsBool(),
            field["normalized"].AsBool(),
            field["special"].AsBool());
    }
}
