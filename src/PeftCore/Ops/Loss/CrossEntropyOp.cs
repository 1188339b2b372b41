using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Mean of −log softmax(logits)[target] over the rows that have a target. The readable version of
/// <see cref="LinearCrossEntropyOp"/>, from given logits.</summary>
public static class CrossEntropyOp
{
    /// <summary>The target of a row that is left out of the mean.</summary>
    internal const int Ignore = -100;

    extension(Tensor logits)
    {
        /// <summary>Cross-entropy of rows of logits with their targets.</summary>
        /// <param name="targets">I32, one a row, in [0, columns) or <see cref="Ignore"/>.</param>
        /// <param name="denominator">The denominator of the sum of losses; usually the number of targets.</param>
        /// <returns>A scalar.</returns>
        public Tensor CrossEntropy(Tensor targets, float denominator)
        {
            Check.Activation("cross entropy", "logits", logits);
            Check.Int32("cross entropy", "targets", targets);
            Check.OneDevice("cross entropy", logits, targets);
            Check.Vector("cross entropy", "targets", targets, logits.Shape.Rows);
            var backend = logits.Backend;
            var loss = logits.NewLike([1], DType.F32);
            bool needed = Tape.Needs(logits);
            var gradient = logits.NewLike(logits.Shape, kind: needed ? MemoryKind.Activation : MemoryKind.Workspace);
            var losses = logits.NewLike([logits.Shape.Rows, 1], DType.F32, MemoryKind.Workspace);
            backend.Copy(logits, gradient);
            backend.CrossEntropy(gradient, targets, Ignore, 1 / denominator, losses, needed);
            backend.SumRows(losses, loss, false);
            backend.Scale(loss, 1 / denominator, loss, false);
            losses.Dispose();
            Tape.Record(() => new LossNode("cross_entropy",
                ("dlogits", gradient, "dlogits = dy·(softmax(logits) − onehot(target))/n")), [logits], [loss]);
            gradient.Dispose();
            return loss;
        }
    }

    /// <summary>y = −Σ log softmax(logits)[target]/n;  dlogits = dy·(softmax(logits) − onehot(target))/n, which the forward pass computes
    /// up to dy; with a linear head so are dhidden = dlogits·W and dweight = dlogitsᵀ·hidden, a chunk of rows at a time; of CTC
    /// dlogits = dy·w_b·(softmax(logits) − posterior).</summary>
    internal sealed class LossNode : GradientNode
    {
        private readonly Tensor?[] _gradients;

        public LossNode(string op, params ReadOnlySpan<(string Name, Tensor? Gradient, string Equation)> gradients) : base(op)
        {
            _gradients = new Tensor?[gradients.Length];
            for (int i = 0; i < gradients.Length; i++)
            {
                _gradients[i] = gradients[i].Gradient is { } gradient ? Save(gradients[i].Name, gradient, gradients[i].Equation) : null;
            }
        }

        protected internal override void Backward(BackwardContext context)
        {
            for (int i = 0; i < _gradients.Length; i++)
            {
                if (_gradients[i] is { } gradient)
                {
                    gradient.Backend.ScaleBy(gradient, context.GradOutput(), gradient, false);
                    context.PropagateGrad(i, gradient);
                }
            }
        }
    }
}
