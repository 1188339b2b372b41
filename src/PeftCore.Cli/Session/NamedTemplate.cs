using PeftCore.Tokenizers;

namespace PeftCore.Cli.Session;

/// <summary>The chat template that --chat-template names: one of the model's own, a built-in one, or a file.</summary>
internal static class NamedTemplate
{
    public const string Value = "chatml|llama3|…|FILE";

    public static ChatTemplate Find(Tokenizer tokenizer, string name)
    {
        if (tokenizer.ChatTemplateNames.Contains(name))
        {
            return tokenizer.ChatTemplateNamed(name);
        }
        if (ChatTemplate.BuiltInNames.Contains(name))
        {
            return ChatTemplate.BuiltIn(name);
        }
        if (!File.Exists(name))
        {
            string own = tokenizer.ChatTemplateNames.Count == 0 ? ""
                : $", one of the model's own ({string.Join(", ", tokenizer.ChatTemplateNames)})";
            throw new BadInputException(
                $"--chat-template is \"{name}\", expected {string.Join(", ", ChatTemplate.BuiltInNames)}{own} or a file with a template " +
                "in Jinja.");
        }
        try
        {
            return ChatTemplate.Parse(File.ReadAllText(name));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"{name} cannot be read ({e.Message}); name a readable file with a template in Jinja.", e);
        }
    }
}
