using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Training;

/// <summary>Tags words with a model for token classification: a word has the tag of its first token.</summary>
internal static class WordTags
{
    /// <summary>The most likely tag of each word that has a token and fits into the maximum length.</summary>
    public static List<(string Word, string Tag, double Probability)> Of(TransformerModel model, ExampleEncoder encoder, DataRow row)
    {
        if (model.Task != ModelTask.TokenClassification)
        {
            throw new BadInputException($"this {model.ModelType} model is for {TaskSpec.NameOf(model.Task)} and does not tag words");
        }
        using var scope = new TensorScope();
        using var evaluation = new EvalModeScope(model.Mode);
        var example = encoder.EncodeWords(row);
        var words = (TokensRow)row;
        var batch = new Collator(padId: 0).Collate([example]);
        float[] logits = Tape.NoGrad(() => model.Logits(batch.ToInputs(model))).ToFloats(); // (1, T, classes)
        var tags = new List<(string Word, string Tag, double Probability)>();
        for (int t = 0; t < example.Ids.Length; t++)
        {
            if (example.Labels[t] is var word && word != Example.Masked)
            {
                double[] likely = Probabilities.Of(logits.AsSpan(t * model.Labels.Count, model.Labels.Count));
                double highest = likely.Max();
                tags.Add((words.Tokens[word], model.Labels[Array.IndexOf(likely, highest)], highest));
            }
        }
        return tags;
    }
}
