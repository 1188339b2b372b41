using PeftCore.Kernels;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Classifies a sequence by one of its hidden states, or by their mean; or predicts a number for it (regression): mean of
/// (y − target)²; or decides about each class by itself: mean of the binary cross-entropies.</summary>
/// <param name="pooling">(B, T, C) to (B, C).</param>
/// <param name="classify">(B, C) to (B, classes): the layers of the head.</param>
/// <param name="problem">What the head learns.</param>
internal class SequenceClassificationHead(PoolingMode pooling, Func<Tensor, Tensor> classify,
    ClassificationProblem problem = ClassificationProblem.SingleLabel) : TaskHead
{
    public override ModelTask Task => ModelTask.SequenceClassification;

    public override void Upload(ModelInputs inputs) => inputs.UploadPooling(pooling);

    public override Tensor Logits(Tensor hidden, ModelInputs inputs)
    {
        using var scope = new TensorScope();
        return scope.Return(classify(Pool(hidden, inputs)));
    }

    /// <summary>(B, T, C) to (B, C).</summary>
    private protected virtual Tensor Pool(Tensor hidden, ModelInputs inputs) => hidden.Pool(pooling, inputs);

    public override Tensor Loss(Tensor hidden, ModelInputs inputs, Targets targets)
    {
        if (problem == ClassificationProblem.SingleLabel)
        {
            return targets.Values is null ? base.Loss(hidden, inputs, targets) : throw new BadInputException(
                "the targets are numbers to predict, but the head chooses between classes; load it with one label for a regression");
        }
        using var scope = new TensorScope();
        var values = targets.Values ?? throw new BadInputException(problem == ClassificationProblem.Regression
            ? "regression learns numbers, but the targets are classes; give scores"
            : "the head learns each class by itself, but the targets are one class of each text; give 0 or 1 for each class");
        var logits = Logits(hidden, inputs).Cast(DType.F32); // (B, classes)
        var sum = problem == ClassificationProblem.Regression ? SquaredError(logits, values) : BinaryCrossEntropy(logits, values);
        return scope.Return(sum.ScaleBy(targets.InverseCount));
    }

    /// <summary>Σ (x − y)².</summary>
    private static Tensor SquaredError(Tensor x, Tensor y)
    {
        var difference = x - y;
        return (difference * difference).Sum();
    }

    /// <summary>1/classes·Σ ln(1 + eˣ) − x·y = −1/classes·Σ y·ln σ(x) + (1 − y)·ln(1 − σ(x)), as torch's BCEWithLogitsLoss.</summary>
    private static Tensor BinaryCrossEntropy(Tensor x, Tensor y)
    {
        if (x.Shape != y.Shape)
        {
            throw new ShapeException("binary cross-entropy", $"the logits are {x.Shape}, but the targets {y.Shape}");
        }
        return (x.Activate<Softplus>() - x * y).Sum() * (1f / x.Shape.Columns);
    }
}
