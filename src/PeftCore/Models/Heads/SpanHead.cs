using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Predicts the first and the last token of an answer (Devlin et al. 2019, section 4.2): two logits a token, a softmax over the
/// positions for each. Targets are the first positions of all rows, then the last ones.</summary>
/// <param name="score">(B, T, C) to (B, T, 2).</param>
internal sealed class SpanHead(Func<Tensor, Tensor> score) : TaskHead
{
    public override ModelTask Task => ModelTask.QuestionAnswering;

    /// <summary>The logits by Hugging Face's names.</summary>
    /// <param name="logits">(2·B, T).</param>
    public static IReadOnlyList<(string Name, Tensor Value)> Outputs(Tensor logits)
    {
        int rows = logits.Shape[0] / 2;
        return [("start_logits", logits.Slice(0, rows)), ("end_logits", logits.Slice(rows, rows))];
    }

    /// <summary>(2·B, T): the logits of the first positions of all rows, then those of the last ones.</summary>
    public override Tensor Logits(Tensor hidden, ModelInputs inputs)
    {
        using var scope = new TensorScope();
        var scores = score(hidden); // (B, T, 2)
        int batch = scores.Shape[0], length = scores.Shape[1];
        return scope.Return(scores.Reshape([batch * length, 2]).Transpose().Reshape([2 * batch, length]));
    }
}
