using PeftCore.Tokenizers;

namespace PeftCore.Extensions.AI;

/// <summary>The chat template that the options of a model choose.</summary>
internal static class ChatTemplates
{
    /// <summary>The template of the name in the options: one of the tokenizer's own, or a built-in one. Null without a name.</summary>
    /// <exception cref="BadInputException">There is no template of that name.</exception>
    public static ChatTemplate? Chosen(PeftCoreModel model)
    {
        var tokenizer = model.Tokenizer;
        return model.Options is not PeftCoreChatOptions { ChatTemplate: { } name } ? null
            : tokenizer.ChatTemplateNames.Contains(name) ? tokenizer.ChatTemplateNamed(name)
            : ChatTemplate.BuiltInNames.Contains(name) ? ChatTemplate.BuiltIn(name)
            : throw new BadInputException($"ChatTemplate is \"{name}\"; {model.ModelId} has " +
                $"{(tokenizer.ChatTemplateNames.Count == 0 ? "none" : string.Join(", ", tokenizer.ChatTemplateNames))}, and built in are " +
                string.Join(", ", ChatTemplate.BuiltInNames));
    }
}
