using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Classifies a sequence by one of its hidden states, or by their mean; or predicts a number for it (regression): mean of
/// (y − target)².</summary>
/// <param name="pooling">(B, T, C) to (B, C).</param>
/// <param name="classify">(B, C) to (B, classes): the layers of the head.</param>
/// <param name="problem">What the head learns.</param>
internal sealed class SequenceClassificationHead(PoolingMode pooling, Func<Tensor, Tensor> classify,
    ClassificationProblem problem = ClassificationProblem.SingleLabel) : TaskHead
{
    public override ModelTask Task => ModelTask.SequenceClassification;

    public override void Upload(ModelInputs inputs) => inputs.UploadPooling(pooling);

    public override Tensor Logits(Tensor hidden, ModelInputs inputs)
    {
        using var scope = new TensorScope();
        return scope.Return(classify(hidden.Pool(pooling, inputs)));
    }

    public override Tensor Loss(Tensor hidden, ModelInputs inputs, Targets targets)
    {
        if (problem != ClassificationProblem.Regression)
        {
            return targets.Values is null ? base.Loss(hidden, inputs, targets) : throw new BadInputException(
                "the targets are numbers to predict, but the head chooses between classes; load it with one label for a regression");
        }
        using var scope = new TensorScope();
        var values = targets.Values ?? throw new BadInputException("regression learns numbers, but the targets are classes; give scores");
        var difference = Logits(hidden, inputs).Cast(DType.F32) - values; // (B, 1)
        return scope.Return((difference * difference).Sum().ScaleBy(targets.InverseCount));
    }
}
