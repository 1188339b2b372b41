using System.Text.Json;

namespace PeftCore.Tokenizers;

/// <summary>The special tokens that a model's own files name by their ids.</summary>
/// <param name="Bos">bos_token_id of config.json, else of generation_config.json.</param>
/// <param name="Eos">eos_token_id of config.json: one or several, none if the field is absent.</param>
/// <param name="Pad">pad_token_id of config.json, else of generation_config.json.</param>
/// <param name="GenerationEos">eos_token_id of generation_config.json; null if the field is absent.</param>
internal sealed record ModelTokenIds(int? Bos, int[] Eos, int? Pad, int[]? GenerationEos)
{
    public static ModelTokenIds None { get; } = new(null, [], null, null);

    /// <summary>The ids that end generation: generation_config.json's where it has any, else config.json's.</summary>
    public int[] Ends => GenerationEos ?? Eos;

    public static ModelTokenIds Read(TokenizerFiles files)
    {
        var config = files.Read("config.json", ReadFields) ?? None;
        var generation = files.Read("generation_config.json", ReadFields) ?? None;
        return new ModelTokenIds(config.Bos ?? generation.Bos, config.Eos, config.Pad ?? generation.Pad, generation.Eos.Length > 0
            ? generation.Eos : null);
    }

    private static ModelTokenIds ReadFields(JsonField root) =>
        new(ReadIds(root["bos_token_id"]).Cast<int?>().FirstOrDefault(), ReadIds(root["eos_token_id"]), ReadIds(root["pad_token_id"])
            .Cast<int?>().FirstOrDefault(), null);

    /// <summary>One id or a list. A negative id means that there is no such token.</summary>
    private static int[] ReadIds(JsonField field) =>
        [.. (field.IsNull ? [] : field.Element.ValueKind == JsonValueKind.Array ? field.Items() : [field]).Select(ReadId)
            .Where(id => id >= 0)];

    private static int ReadId(JsonField field) =>
        field.Element.ValueKind == JsonValueKind.Number && field.Element.TryGetDouble(out double value) && value == Math.Floor(value)
        && Math.Abs(value) <= int.MaxValue
            ? (int)value
            : throw field.Bad("a token id, or a list of them");
}
