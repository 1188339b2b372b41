using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Predicts the token of every masked position: (B, T, C) to (B, T, vocabulary).</summary>
/// <param name="predict">The layers of the head.</param>
internal sealed class MaskedLmHead(Func<Tensor, Tensor> predict) : TaskHead
{
    public override ModelTask Task => ModelTask.MaskedLm;

    public override Tensor Logits(Tensor hidden, ModelInputs inputs) => predict(hidden);

    public override Tensor Loss(Tensor hidden, ModelInputs inputs, Targets targets)
    {
        using var scope = new TensorScope();
        return scope.Return(predict(WithTargets(hidden, targets)).CrossEntropy(targets.Tokens, 1).ScaleBy(targets.InverseCount));
    }
}
