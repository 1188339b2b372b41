using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft.Prompts;

/// <summary>Initial values of virtual tokens: random, embeddings of a text, or embeddings of random tokens.</summary>
internal static class PromptInitializer
{
    /// <summary>Fills virtual tokens, (tokens, hidden). For an adapter that is loaded from a file they are random, because the file
    /// overwrites them.</summary>
    public static void Fill(AttachContext context, Parameter tokens, PromptInit init, string? text, string? tokenizer)
    {
        int count = tokens.Shape[0];
        if (init == PromptInit.Random || !context.IsNew)
        {
            context.Backend.FillNormal(tokens.Value, 0, 1, context.Seed, 0);
            return;
        }
        int[] ids = init == PromptInit.Text ? Repeated(IdsOf(text, tokenizer), count) : RandomTokens(context, count);
        if (ids.FirstOrDefault(id => id >= context.Base.VocabularySize, -1) is var stranger and >= 0)
        {
            throw new BadInputException(
                $"prompt_tuning_init_text: the tokenizer gives token {stranger}, but the model's vocabulary has " +
                $"{context.Base.VocabularySize}; use the model's own tokenizer");
        }
        using var scope = new TensorScope();
        context.Backend.Gather(context.Backend.From(ids, [count]), context.Base.TokenEmbedding.Weight.Value, tokens.Value);
    }

    private static int[] IdsOf(string? text, string? directory)
    {
        if (string.IsNullOrEmpty(text))
        {
            throw new BadInputException("prompt_tuning_init is TEXT, which needs prompt_tuning_init_text");
        }
        if (directory is null || !Directory.Exists(directory))
        {
            throw new BadInputException(
                $"prompt_tuning_init is TEXT, which needs the directory of a tokenizer as " +
                $"tokenizer_name_or_path{(directory is null ? "" : $"; there is no directory {directory}")}");
        }
        int[] ids = [.. ModelDirectory.OpenTokenizer(directory).Encode(text).Ids];
        return ids.Length > 0 ? ids : throw new BadInputException("prompt_tuning_init_text has no tokens");
    }

    private static int[] Repeated(int[] ids, int count) => [.. Enumerable.Range(0, count).Select(i => ids[i % ids.Length])];

    private static int[] RandomTokens(AttachContext context, int count) =>
        [.. Enumerable.Range(0, count).Select(i => (int)(Philox.Next(context.Seed, 0, (ulong)i).X % (uint)context.Base.VocabularySize))];
}
