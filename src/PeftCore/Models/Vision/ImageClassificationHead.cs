using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The states of a picture that its class is told by.</summary>
internal enum PicturePooling
{
    /// <summary>The class token.</summary>
    First,

    /// <summary>The mean of the patches (CLIP).</summary>
    Patches,

    /// <summary>The mean of all states (SigLIP, which has no class token).</summary>
    All,

    /// <summary>The class token, and beside it the mean of the patches (DINOv2).</summary>
    FirstAndPatches,
}

/// <summary>Classifies a picture by its class token, by the mean of its patches, or by both; or predicts a number for it.</summary>
/// <param name="pooling">Which.</param>
/// <param name="classify">(B, C) or (B, 2C) to (B, classes).</param>
/// <param name="problem">What the head learns.</param>
internal sealed class ImageClassificationHead(PicturePooling pooling, Func<Tensor, Tensor> classify, ClassificationProblem problem)
    : SequenceClassificationHead(PoolingMode.First, classify, problem)
{
    public override ModelTask Task => ModelTask.ImageClassification;

    private protected override Tensor Pool(Tensor hidden, ModelInputs inputs)
    {
        return pooling switch
        {
            PicturePooling.First => hidden.FirstTokens(),
            PicturePooling.Patches => MeanFrom(1, hidden),
            PicturePooling.All => MeanFrom(0, hidden),
            _ => hidden.FirstTokens().ConcatColumns(MeanFrom(1, hidden)),
        };
    }

    /// <summary>The mean of the states from one on: (B, first + N, C) to (B, C).</summary>
    private static Tensor MeanFrom(int first, Tensor hidden)
    {
        int batch = hidden.Shape[0], count = hidden.Shape[1] - first, columns = hidden.Shape[2];
        var weights = hidden.Backend.NewTensor([batch, 1, count]);
        hidden.Backend.Fill(weights, 1f / count);
        var patches = first == 0 ? hidden : hidden.Reshape([batch, (first + count) * columns])
            .Columns(first * columns, count * columns).Reshape([batch, count, columns]);
        return weights.MatMulEach(patches.Cast(DType.F32)).Cast(hidden.DType).Reshape([batch, columns]);
    }
}
