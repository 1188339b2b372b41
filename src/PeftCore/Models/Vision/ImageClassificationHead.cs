using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Classifies a picture by its class token, or by the class token and the mean of its patches (DINOv2); or predicts a number for
/// it.</summary>
/// <param name="withPatches">Whether the mean of the patches follows the class token.</param>
/// <param name="classify">(B, C) or (B, 2C) to (B, classes).</param>
/// <param name="problem">What the head learns.</param>
internal sealed class ImageClassificationHead(bool withPatches, Func<Tensor, Tensor> classify, ClassificationProblem problem)
    : SequenceClassificationHead(PoolingMode.First, classify, problem)
{
    public override ModelTask Task => ModelTask.ImageClassification;

    private protected override Tensor Pool(Tensor hidden, ModelInputs inputs)
    {
        var first = hidden.FirstTokens();
        return withPatches ? first.ConcatColumns(MeanOfPatches(hidden)) : first;
    }

    /// <summary>(B, 1 + N, C) to (B, C).</summary>
    private static Tensor MeanOfPatches(Tensor hidden)
    {
        int batch = hidden.Shape[0], count = hidden.Shape[1] - 1, columns = hidden.Shape[2];
        var weights = hidden.Backend.NewTensor([batch, 1, count]);
        hidden.Backend.Fill(weights, 1f / count);
        var patches = hidden.Reshape([batch, (1 + count) * columns]).Columns(columns, count * columns).Reshape([batch, count, columns]);
        return weights.MatMulEach(patches.Cast(DType.F32)).Cast(hidden.DType).Reshape([batch, columns]);
    }
}
