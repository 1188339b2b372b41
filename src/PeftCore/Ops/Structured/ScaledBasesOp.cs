using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>One random basis with several scalings: y[p·b + j, :] = λ[p, j]·A[p, :]∘γ[j, :] (Albert et al. 2025, RandLoRA, equation 4). A
/// is constant.</summary>
internal static class ScaledBasesOp
{
    extension(Tensor lambda)
    {
        /// <summary>λ (r, b) and γ (b, n) with A (r, n) to (r·b, n).</summary>
        internal Tensor ScaledBases(Tensor gamma, Tensor basis)
        {
            Check.Float32("scaled bases", "lambda", lambda);
            Check.Float32("scaled bases", "gamma", gamma);
            Check.OneDevice("scaled bases", lambda, gamma, basis);
            Check.Matrix("scaled bases", "the basis", basis, lambda.Shape.Rows, gamma.Shape.Columns);
            Check.Matrix("scaled bases", "gamma", gamma, lambda.Shape.Columns, gamma.Shape.Columns);
            var y = lambda.NewLike([(int)lambda.Count, gamma.Shape.Columns]);
            for (int p = 0; p < lambda.Shape.Rows; p++)
            {
                var part = Part(y, p, gamma.Shape);
                y.Backend.MatMul(Row(lambda, p).View([gamma.Shape.Rows, 1]), false, Row(basis, p).View([1, gamma.Shape.Columns]), false,
                    part);
                y.Backend.Multiply(part, gamma, part, false);
            }
            Tape.Record(() => new Node(lambda, gamma, basis), [lambda, gamma], [y]);
            return y;
        }
    }

    private static Tensor Row(Tensor matrix, int row) => matrix.View([matrix.Shape.Columns], (long)row * matrix.Shape.Columns);

    private static Tensor Part(Tensor y, int index, Shape shape) => y.View(shape, index * shape.Count);

    /// <summary>y[p·b + j, :] = λ[p, j]·A[p, :]∘γ[j, :];  dλ[p, j] = Σ dy[p·b + j, :]∘A[p, :]∘γ[j, :], dγ[j, :] = Σ_p λ[p, j]·dy[p·b + j,
    /// :]∘A[p, :].</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor? _lambda;
        private readonly Tensor? _gamma;
        private readonly Tensor _basis;

        public Node(Tensor lambda, Tensor gamma, Tensor basis) : base("scaled_bases")
        {
            _lambda = SaveIf(gamma.RequiresGrad, "lambda", lambda, "dγ[j, :] = Σ_p λ[p, j]·dy[p·b + j, :]∘A[p, :]");
            _gamma = SaveIf(lambda.RequiresGrad, "gamma", gamma, "dλ[p, j] = Σ dy[p·b + j, :]∘A[p, :]∘γ[j, :]");
            _basis = SaveWeight(basis);
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            var backend = dy.Backend;
            var dLambda = context.GradInput(0, out bool addLambda);
            var dGamma = context.GradInput(1, out bool addGamma);
            var shape = context.ShapeOf(1);
            for (int p = 0; p < _basis.Shape.Rows; p++)
            {
                using var scope = new TensorScope();
                var scaled = dy.NewLike(shape);
                backend.MultiplyRow(Part(dy, p, shape), Row(_basis, p), scaled, false);
                if (dLambda is not null)
                {
                    backend.RowDots(scaled, _gamma!, Row(dLambda, p), addLambda);
                }
                if (dGamma is not null)
                {
                    backend.MultiplyColumn(scaled, Row(_lambda!, p), dGamma, addGamma || p > 0);
                }
            }
        }
    }
}
