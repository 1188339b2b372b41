namespace PeftCore.Tokenizers;

/// <summary>The exceptions that a template raises.</summary>
internal static class JinjaError
{
    public static BadInputException At(int line, string why) =>
        new($"The chat template cannot be used: line {line}: {why}; correct chat_template in the tokenizer's files, or give another " +
        "template.");

    public static BadInputException Of(string why) =>
        new($"The chat template failed on these messages: {why}; change the messages, or give another template.");
}
