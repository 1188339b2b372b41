using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Prompts;

/// <summary>One layer of a bidirectional LSTM (Hochreiter and Schmidhuber 1997), as PyTorch computes it. With a = W·x + b + U·h + c, split
/// in four: i, f, o = σ(a), g = tanh(a); cell = f·cell + i·g; h = o·tanh(cell).</summary>
internal sealed class BidirectionalLstm
{
    private readonly Direction _forward;
    private readonly Direction _backward;

    public BidirectionalLstm(NamedParameters weights, string name, int layer, int inputs, int hidden)
    {
        _forward = new Direction(weights, $"{name}.", $"_l{layer}", inputs, hidden);
        _backward = new Direction(weights, $"{name}.", $"_l{layer}_reverse", inputs, hidden);
    }

    /// <summary>(steps, inputs) to (steps, 2·hidden): the forward state of each step, then the backward state.</summary>
    public Tensor Run(Tensor x)
    {
        int steps = x.Shape[0];
        return _forward.Run(x, [.. Enumerable.Range(0, steps)]).ConcatColumns(_backward.Run(x, [.. Enumerable.Range(0, steps).Reverse()]));
    }

    private sealed class Direction
    {
        private readonly int _hidden;
        private readonly Parameter _inputWeight;
        private readonly Parameter _stateWeight;
        private readonly Parameter _inputBias;
        private readonly Parameter _stateBias;

        public Direction(NamedParameters weights, string prefix, string suffix, int inputs, int hidden)
        {
            float bound = 1 / MathF.Sqrt(hidden);
            _hidden = hidden;
            _inputWeight = weights.Uniform($"{prefix}weight_ih{suffix}", [4 * hidden, inputs], bound);
            _stateWeight = weights.Uniform($"{prefix}weight_hh{suffix}", [4 * hidden, hidden], bound);
            _inputBias = weights.Uniform($"{prefix}bias_ih{suffix}", [4 * hidden], bound);
            _stateBias = weights.Uniform($"{prefix}bias_hh{suffix}", [4 * hidden], bound);
        }

        public Tensor Run(Tensor x, ReadOnlySpan<int> order)
        {
            var fromInput = x.Linear(_inputWeight.Value, _inputBias.Value); // (steps, 4·hidden)
            Tensor state = x.Backend.Zeros([1, _hidden]), cell = x.Backend.Zeros([1, _hidden]);
            var states = new Tensor[order.Length];
            foreach (int step in order)
            {
                var gates = fromInput.Slice(step, 1) + state.Linear(_stateWeight.Value, _stateBias.Value);
                var (i, f, g, o) = (Part(gates, 0), Part(gates, 1), Part(gates, 2), Part(gates, 3));
                cell = f.Activate<Sigmoid>() * cell + i.Activate<Sigmoid>() * g.Activate<Tanh>();
                states[step] = state = o.Activate<Sigmoid>() * cell.Activate<Tanh>();
            }
            return Tensor.Concat(states);
        }

        private Tensor Part(Tensor gates, int index) => gates.Columns(index * _hidden, _hidden);
    }
}
