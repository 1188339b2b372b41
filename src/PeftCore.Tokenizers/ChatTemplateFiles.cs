using System.Text.Json;

namespace PeftCore.Tokenizers;

/// <summary>Finds a model's chat templates as transformers 5 does: chat_template.jinja and additional_chat_templates/NAME.jinja, and only
/// where there are none of these the "chat_template" of tokenizer_config.json.</summary>
internal static class ChatTemplateFiles
{
    public const string Default = "default";
    private const string FileName = "chat_template.jinja";
    private const string FolderName = "additional_chat_templates";

    public static Dictionary<string, string> Read(TokenizerFiles files, List<string> warnings)
    {
        var templates = ReadTemplateFiles(files);
        var config = ReadJson(files, "tokenizer_config.json");
        var processor = ReadJson(files, "chat_template.json");
        string directory = files.Directory;
        if (templates.Count > 0)
        {
            string name = templates.ContainsKey(Default) ? FileName : FolderName;
            Compare(directory, templates, name, config, "tokenizer_config.json", warnings);
            return templates;
        }

        if (config.Count > 0)
        {
            Compare(directory, config, "tokenizer_config.json", processor, "chat_template.json", warnings);
            return config;
        }

        return processor;
    }

    private static void Compare(string directory, Dictionary<string, string> used, string name, Dictionary<string, string> other,
        string otherName,
        List<string> warnings)
    {
        if (other.Any(template => used.GetValueOrDefault(template.Key) != template.Value))
        {
            warnings.Add($"{directory}: the chat template of {name} is used; {otherName} has another one, which is not read.");
        }
    }

    private static Dictionary<string, string> ReadTemplateFiles(TokenizerFiles files)
    {
        var templates = new Dictionary<string, string>(StringComparer.Ordinal);
        if (files.Content(FileName) is { } content)
        {
            using var reader = new StreamReader(new MemoryStream(content));
            templates[Default] = reader.ReadToEnd();
        }

        string folder = Path.Combine(files.Directory, FolderName);
        if (Directory.Exists(folder))
        {
            foreach (string? named in Directory.GetFiles(folder, "*.jinja").Order(StringComparer.Ordinal))
            {
                templates[Path.GetFileNameWithoutExtension(named)] = ReadText(named);
            }
        }

        return templates;
    }

    private static Dictionary<string, string> ReadJson(TokenizerFiles files, string name) =>
        files.Read(name, root => ReadTemplates(root["chat_template"])) ?? [];

    /// <summary>A template is a string; several are a list of {"name", "template"} or an object from names to templates.</summary>
    private static Dictionary<string, string> ReadTemplates(JsonField field)
    {
        var templates = new Dictionary<string, string>(StringComparer.Ordinal);
        switch (field.Element.ValueKind)
        {
            case JsonValueKind.Array:
                foreach (var item in field.Items())
                {
                    if (!templates.TryAdd(item["name"].AsString(), item["template"].AsString()))
                    {
                        throw item["name"].Bad("a name that no other template has");
                    }
                }

                break;
            case JsonValueKind.Object:
                foreach (var (name, template) in field.Members())
                {
                    templates[name] = template.AsString();
                }

                break;
            default:
                if (field.AsStringOrNull() is { } only)
                {
                    templates[Default] = only;
                }

                break;
        }

        return templates;
    }

    internal static string ReadText(string path)
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
}
