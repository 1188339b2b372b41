using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Classifies every token: (B, T, C) to (B, T, classes).</summary>
/// <param name="classify">The layers of the head.</param>
internal sealed class TokenClassificationHead(Func<Tensor, Tensor> classify) : TaskHead
{
    public override ModelTask Task => ModelTask.TokenClassification;

    public override Tensor Logits(Tensor hidden, ModelInputs inputs) => classify(hidden);

    public override Tensor Loss(Tensor hidden, ModelInputs inputs, Targets targets)
    {
        using var scope = new TensorScope();
        return scope.Return(classify(WithTargets(hidden, targets)).CrossEntropy(targets.Tokens, 1).ScaleBy(targets.InverseCount));
    }
}
