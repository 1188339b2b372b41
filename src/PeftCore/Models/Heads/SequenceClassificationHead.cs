using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Classifies a sequence by one of its hidden states, or by their mean.</summary>
/// <param name="pool">(B, T, C) to (B, C).</param>
/// <param name="classify">(B, C) to (B, classes): the layers of the head.</param>
internal sealed class SequenceClassificationHead(Func<Tensor, ModelInputs, Tensor> pool, Func<Tensor, Tensor> classify) : TaskHead
{
    public override ModelTask Task => ModelTask.SequenceClassification;

    public override Tensor Logits(Tensor hidden, ModelInputs inputs)
    {
        using var scope = new TensorScope();
        return scope.Return(classify(pool(hidden, inputs)));
    }
}
