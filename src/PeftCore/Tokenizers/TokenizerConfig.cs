using System.Text.Json;

namespace PeftCore.Tokenizers;

/// <summary>What a model directory says about its tokenizer besides tokenizer.json.</summary>
internal sealed record TokenizerConfig(string? BosToken, string? EosToken, string? PadToken, string? UnkToken, string? ChatTemplate)
{
    public static TokenizerConfig Empty { get; } = new(null, null, null, null, null);

    public static TokenizerConfig Read(string directory)
    {
        var config = ReadIfThere(Path.Combine(directory, "tokenizer_config.json"), ReadConfig) ?? Empty;
        var map = ReadIfThere(Path.Combine(directory, "special_tokens_map.json"), ReadConfig) ?? Empty;
        return new TokenizerConfig(
            config.BosToken ?? map.BosToken,
            config.EosToken ?? map.EosToken,
            config.PadToken ?? map.PadToken,
            config.UnkToken ?? map.UnkToken,
            ReadTemplateFile(directory) ?? config.ChatTemplate);
    }

    private static TokenizerConfig? ReadIfThere(string path, Func<JsonField, TokenizerConfig> read) =>
        File.Exists(path) ? JsonField.ReadFile(path, read) : null;

    private static TokenizerConfig ReadConfig(JsonField root) => new(
        ReadToken(root["bos_token"]),
        ReadToken(root["eos_token"]),
        ReadToken(root["pad_token"]),
        ReadToken(root["unk_token"]),
        ReadTemplate(root["chat_template"]));

    /// <summary>A token is a string or an object with its content.</summary>
    private static string? ReadToken(JsonField field) => field.IsNull ? null
        : field.Element.ValueKind == JsonValueKind.Object ? field["content"].AsString()
        : field.AsString();

    /// <summary>A template is a string, or a list of named ones of which "default" is for conversations.</summary>
    private static string? ReadTemplate(JsonField field)
    {
        if (field.Element.ValueKind != JsonValueKind.Array)
        {
            return field.AsStringOrNull();
        }

        var named = field.Items().Select(i => (Name: i["name"].AsString(), Template: i["template"].AsString())).ToList();
        return named.LastOrDefault(t => t.Name == "default").Template ?? named.FirstOrDefault().Template;
    }

    private static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"{path} cannot be read ({e.Message}); make it readable or remove it.", e);
        }
    }

    private static string? ReadTemplateFile(string directory)
    {
        var jinja = Path.Combine(directory, "chat_template.jinja");
        if (File.Exists(jinja))
        {
            return ReadText(jinja);
        }

        var json = Path.Combine(directory, "chat_template.json");
        return File.Exists(json) ? JsonField.ReadFile(json, root => ReadTemplate(root["chat_template"])) : null;
    }
}
