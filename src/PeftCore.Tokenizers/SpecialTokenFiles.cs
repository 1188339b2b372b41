using System.Text.Json;

namespace PeftCore.Tokenizers;

/// <summary>Reads special tokens as transformers 5 does: from tokenizer_config.json, and from special_tokens_map.json, whose tokens then
/// replace the others', only where tokenizer_config.json has no added_tokens_decoder.</summary>
internal static class SpecialTokenFiles
{
    private const string ConfigName = "tokenizer_config.json";
    private const string MapName = "special_tokens_map.json";
    private static readonly string[] Roles = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
    private static readonly string[] Lists = ["additional_special_tokens", "extra_special_tokens"];

    public static TokenizerConfig Read(TokenizerFiles files, List<string> warnings)
    {
        var config = files.Read(ConfigName, ReadConfig) ?? TokenizerConfig.Empty;
        var map = files.Read(MapName, ReadTokens);
        if (map is null)
        {
            return config;
        }

        bool mapCounts = config.AddedTokens.Count == 0;
        var merged = new Dictionary<string, string>(config.SpecialTokens);
        foreach (var (role, token) in map)
        {
            string? other = config.Token(role);
            if (other != token && (other is not null || !mapCounts))
            {
                warnings.Add($"{files.Directory}: {role} is {Quote(other)} in {ConfigName} but {Quote(token)} in {MapName}; " +
                    $"{Quote(mapCounts ? token : other)} is used, "
                    + (mapCounts ? $"as transformers lets {MapName} replace it."
                        : $"as transformers does not read {MapName} beside added_tokens_decoder."));
            }

            if (mapCounts)
            {
                merged[role] = token;
            }
        }

        return config with { SpecialTokens = merged };
    }

    private static string Quote(string? token) => token is null ? "not set" : $"\"{token}\"";

    private static TokenizerConfig ReadConfig(JsonField root) => new()
    {
        SpecialTokens = ReadTokens(root),
        AddBos = ReadFlag(root["add_bos_token"]),
        AddEos = ReadFlag(root["add_eos_token"]),
        AddedTokens = ReadAdded(root["added_tokens_decoder"]),
        ExtraTokens = [.. Lists.Select(name => root[name]).Where(list => list.Element.ValueKind == JsonValueKind.Array)
            .SelectMany(list => list.Items()).Select(item => ReadToken(item)).OfType<string>()],
    };

    private static bool? ReadFlag(JsonField field) => field.IsNull ? null : field.AsBool();

    private static Dictionary<int, string> ReadAdded(JsonField field)
    {
        var tokens = new Dictionary<int, string>();
        foreach (var (name, token) in field.IsNull ? [] : field.Members())
        {
            if (!int.TryParse(name, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int id))
            {
                throw token.Bad("a token whose name is its id, a whole number");
            }

            tokens[id] = ReadToken(token) ?? throw token.Bad("a token");
        }

        return tokens;
    }

    /// <summary>The tokens with roles: the usual ones, any other string that is called …_token, and extra tokens by name.</summary>
    private static Dictionary<string, string> ReadTokens(JsonField root)
    {
        var tokens = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string role in Roles)
        {
            if (ReadToken(root[role]) is { } token)
            {
                tokens[role] = token;
            }
        }

        foreach (var (name, value) in root.Members())
        {
            if (name.EndsWith("_token", StringComparison.Ordinal) && !tokens.ContainsKey(name) && IsToken(value.Element))
            {
                tokens[name] = ReadToken(value)!;
            }
        }

        if (root["extra_special_tokens"] is { Element.ValueKind: JsonValueKind.Object } named)
        {
            foreach (var (name, value) in named.Members())
            {
                tokens[name] = ReadToken(value) ?? throw value.Bad("a token");
            }
        }

        return tokens;
    }

    private static bool IsToken(JsonElement value) => value.ValueKind == JsonValueKind.String
        || (value.ValueKind == JsonValueKind.Object && value.TryGetProperty("content", out var content)
            && content.ValueKind == JsonValueKind.String);

    /// <summary>A token is a string or an object with its content.</summary>
    private static string? ReadToken(JsonField field) => field.IsNull ? null
        : field.Element.ValueKind == JsonValueKind.Object ? field["content"].AsString()
        : field.AsString();
}
