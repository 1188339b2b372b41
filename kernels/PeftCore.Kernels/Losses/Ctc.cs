using System.Runtime.CompilerServices;
using System.Numerics.Tensors;

namespace PeftCore.Kernels;

/// <summary>Connectionist temporal classification (Graves et al. 2006): −log of the probability of all alignments of a row's labels to its
/// frames, and the gradient softmax(logits) − posterior of the symbols. The states of an alignment are blank, l₁, blank, l₂ … blank; a step
/// stays, advances by one state, or by two from a label to a different label.
/// <para>α and β are logarithms relative to the largest of their frame, so that their rounding does not grow with the number of
/// frames.</para></summary>
internal static unsafe class Ctc
{
    /// <summary>The loss of each row, and its gradient.</summary>
    /// <param name="logits">(B, T, C)</param>
    /// <param name="labels">(B, L), negative after the last label of a row.</param>
    /// <param name="frames">(B): frames of each row.</param>
    /// <param name="shape">Extents.</param>
    /// <param name="scratch">(B, <see cref="CtcShape.Scratch"/>)</param>
    /// <param name="losses">(B)</param>
    /// <param name="gradient">(B, T, C), or empty.</param>
    /// <param name="pool">Threads.</param>
    public static void Run(ReadOnlySpan<float> logits, ReadOnlySpan<int> labels, ReadOnlySpan<int> frames, CtcShape shape,
        Span<float> scratch, Span<float> losses, Span<float> gradient, WorkerPool pool)
    {
        long count = (long)shape.Batch * shape.Frames * shape.Classes;
        Sizes.AtLeast(logits, count);
        Sizes.AtLeast(labels, (long)shape.Batch * shape.Labels);
        Sizes.AtLeast(frames, shape.Batch);
        Sizes.AtLeast<float>(scratch, (long)shape.Batch * shape.Scratch);
        Sizes.AtLeast<float>(losses, shape.Batch);
        if (!gradient.IsEmpty)
        {
            Sizes.AtLeast<float>(gradient, count);
        }
        fixed (float* x = logits, work = scratch, to = losses, dx = gradient)
        fixed (int* l = labels, t = frames)
        {
            Body body = new(x, l, t, shape, work, to, gradient.IsEmpty ? null : dx);
            pool.For(shape.Batch, ref body);
        }
    }

    private readonly struct Body(float* logits, int* labels, int* frames, CtcShape shape, float* scratch, float* losses, float* gradient)
        : IParallelBody
    {
        private readonly float* _logits = logits, _scratch = scratch, _losses = losses, _gradient = gradient;
        private readonly int* _labels = labels, _frames = frames;

        public void Run(int item)
        {
            int size = shape.Frames * shape.Classes;
            var own = new ReadOnlySpan<int>(_labels + (long)item * shape.Labels, shape.Labels);
            int end = own.IndexOfAnyInRange(int.MinValue, -1);
            var row = new CtcRow(new ReadOnlySpan<float>(_logits + (long)item * size, size), end < 0 ? own : own[..end],
                Math.Clamp(_frames[item], 0, shape.Frames), shape, new Span<float>(_scratch + (long)item * shape.Scratch, shape.Scratch));
            float weight = shape.IsMean ? 1f / Math.Max(1, row.LabelCount) : 1;
            double loss = row.Forward();
            bool isLeftOut = double.IsPositiveInfinity(loss) && shape.ZeroInfinity;
            _losses[item] = isLeftOut ? 0 : (float)(loss * weight);
            if (_gradient is null)
            {
                return;
            }
            var to = new Span<float>(_gradient + (long)item * size, size);
            to.Clear();
            if (!isLeftOut)
            {
                row.Backward(weight, to);
            }
        }
    }
}

/// <summary>The alignments of one row.</summary>
internal readonly ref struct CtcRow
{
    private readonly ReadOnlySpan<float> _logits;
    private readonly ReadOnlySpan<int> _labels;
    private readonly CtcShape _shape;
    private readonly Span<float> _alpha; // (T, states)
    private readonly Span<float> _normalizers; // (T)
    private readonly Span<float> _beta; // (2, states)
    private readonly int _frames;
    private readonly int _states;

    public CtcRow(ReadOnlySpan<float> logits, ReadOnlySpan<int> labels, int frames, CtcShape shape, Span<float> scratch)
    {
        _logits = logits;
        _labels = labels;
        (_shape, _frames, _states) = (shape, frames, 2 * labels.Length + 1);
        _alpha = scratch[..(shape.Frames * shape.States)];
        _normalizers = scratch.Slice(_alpha.Length, shape.Frames);
        _beta = scratch.Slice(_alpha.Length + shape.Frames, 2 * shape.States);
    }

    /// <summary>Labels of the row.</summary>
    public int LabelCount => _labels.Length;

    /// <summary>α_t(s) = log y_t(l_s) + logsum(α_{t−1}(s), α_{t−1}(s − 1), α_{t−1}(s − 2) from a label to another).</summary>
    /// <returns>−log of the probability of all alignments.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public double Forward()
    {
        double total = 0;
        float offset = 0;
        for (int t = 0; t < _frames; t++)
        {
            var logits = Frame(t);
            float largest = TensorPrimitives.Max(logits), sum = 0;
            foreach (float logit in logits)
            {
                sum += MathF.Exp(logit - largest);
            }
            _normalizers[t] = largest + MathF.Log(sum);
            var now = Alpha(t);
            var before = t > 0 ? Alpha(t - 1) : now;
            float max = float.NegativeInfinity;
            for (int s = 0; s < _states; s++)
            {
                float from = t == 0 ? s < 2 ? 0 : float.NegativeInfinity
                    : LogSum.Of(before[s], s > 0 ? before[s - 1] : float.NegativeInfinity,
                        Skips(s) ? before[s - 2] : float.NegativeInfinity) - offset;
                now[s] = from + logits[Symbol(s)] - _normalizers[t];
                max = Math.Max(max, now[s]);
            }
            offset = max == float.NegativeInfinity ? 0 : max; // No state is reached: stays −∞.
            total += offset;
        }
        if (_frames == 0)
        {
            return _labels.Length == 0 ? 0 : double.PositiveInfinity;
        }
        var last = Alpha(_frames - 1);
        float end = LogSum.Of(last[_states - 1], _states > 1 ? last[_states - 2] : float.NegativeInfinity, float.NegativeInfinity);
        return -(total + (end - offset));
    }

    /// <summary>dlogits_t = weight·(softmax(logits_t) − Σ_s p_t(s)·onehot(l_s)), p_t(s) ∝ exp(α_t(s) + β_t(s)), with
    /// β_t(s) = logsum over the next states s' of β_{t+1}(s') + log y_{t+1}(l_s').</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Backward(float weight, Span<float> gradient)
    {
        float offset = 0;
        for (int t = _frames - 1; t >= 0; t--)
        {
            Span<float> now = Beta(t % 2), next = Beta(1 - t % 2);
            float max = float.NegativeInfinity;
            for (int s = 0; s < _states; s++)
            {
                // next[s'] holds β_{t+1}(s') + log y_{t+1}(l_s').
                now[s] = t == _frames - 1 ? s >= _states - 2 ? 0 : float.NegativeInfinity
                    : LogSum.Of(next[s], s + 1 < _states ? next[s + 1] : float.NegativeInfinity,
                        s + 2 < _states && Skips(s + 2) ? next[s + 2] : float.NegativeInfinity) - offset;
                max = Math.Max(max, now[s]);
            }
            offset = max == float.NegativeInfinity ? 0 : max;
            WriteFrame(t, now, weight, gradient.Slice(t * _shape.Classes, _shape.Classes));
            var logits = Frame(t);
            for (int s = 0; s < _states; s++)
            {
                now[s] += logits[Symbol(s)] - _normalizers[t];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void WriteFrame(int t, ReadOnlySpan<float> beta, float weight, Span<float> gradient)
    {
        var logits = Frame(t);
        for (int c = 0; c < gradient.Length; c++)
        {
            gradient[c] = weight * MathF.Exp(logits[c] - _normalizers[t]);
        }
        var alpha = Alpha(t);
        float max = float.NegativeInfinity, sum = 0;
        for (int s = 0; s < _states; s++)
        {
            alpha[s] += beta[s];
            max = Math.Max(max, alpha[s]);
        }
        for (int s = 0; s < _states; s++)
        {
            alpha[s] = MathF.Exp(alpha[s] - max);
            sum += alpha[s];
        }
        for (int s = 0; s < _states; s++)
        {
            gradient[Symbol(s)] -= weight * (alpha[s] / sum);
        }
    }

    private ReadOnlySpan<float> Frame(int t) => _logits.Slice(t * _shape.Classes, _shape.Classes);

    private Span<float> Alpha(int t) => _alpha.Slice(t * _shape.States, _shape.States);

    private Span<float> Beta(int half) => _beta.Slice(half * _shape.States, _shape.States);

    private int Symbol(int s) => s % 2 == 0 ? _shape.Blank : _labels[s / 2];

    private bool Skips(int s) => s % 2 == 1 && s > 1 && _labels[s / 2] != _labels[s / 2 - 1];
}
