using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

/// <summary>A CPU backend with one fault: of all contributions of its ops to their outputs, one has the wrong sign. Tests must detect
/// it.</summary>
internal sealed partial class SignFlippingBackend : Backend
{
    private readonly CpuBackend _inner = new(1, poison: true);
    private readonly Dictionary<nint, Storage> _storages = [];
    private readonly List<string> _contributions = [];
    private int _flipped = -1;

    public SignFlippingBackend()
        : base("sign flipping")
    {
    }

    internal override bool IsMeta => false;

    internal override Arena Arena => _inner.Arena;

    /// <summary>The contributions made since <see cref="Flip"/>, named by op and output.</summary>
    public IReadOnlyList<string> Contributions => _contributions;

    /// <summary>Starts to count contributions; the one of this number gets the wrong sign, none for a negative number.</summary>
    public void Flip(int contribution)
    {
        _contributions.Clear();
        _flipped = contribution;
    }

    internal override Storage Allocate(long bytes, MemoryKind kind)
    {
        var storage = _inner.Allocate(bytes, kind);
        _storages.Add(storage.Address, storage);
        return new Storage(this, storage.Address, bytes, storage.ReservedBytes, kind);
    }

    internal override void Free(Storage storage)
    {
        _storages.Remove(storage.Address, out var inner);
        inner!.Release();
    }

    internal override void Upload(ReadOnlySpan<byte> from, Tensor to) => _inner.Upload(from, to);

    internal override void Download(Tensor from, Span<byte> to) => _inner.Download(from, to);

    // Contributions are F32: a rounded value is flipped when it is converted back.
    internal override void Cast(Tensor from, Tensor to)
    {
        if (to.DType == DType.F32)
        {
            Run("Cast", () => _inner.Cast(from, to), Over("to", to));
        }
        else
        {
            _inner.Cast(from, to);
        }
    }

    internal override void Zero(Tensor tensor) => _inner.Zero(tensor);

    internal override void Trim() => _inner.Trim();

    internal override void FillUniform(Tensor y, float low, float high, ulong seed, ulong stream, long first = 0) =>
        _inner.FillUniform(y, low, high, seed, stream, first);

    internal override void FillNormal(Tensor y, float mean, float standardDeviation, ulong seed, ulong stream, long first = 0) =>
        _inner.FillNormal(y, mean, standardDeviation, seed, stream, first);

    internal override void AdamW(in Optimizers.AdamW step, Tensor parameter, Tensor gradient, float gradientScale, Tensor firstMoment,
        Tensor secondMoment) =>
        _inner.AdamW(step, parameter, gradient, gradientScale, firstMoment, secondMoment);

    internal override void AdamW8Bit(ReadOnlySpan<AdamW8BitTensors> parameters, float gradientScale) =>
        _inner.AdamW8Bit(parameters, gradientScale);

    internal override void Lion(ReadOnlySpan<LionTensors> parameters, float gradientScale) => _inner.Lion(parameters, gradientScale);

    internal override void Adafactor(ReadOnlySpan<AdafactorTensors> parameters, float gradientScale) =>
        _inner.Adafactor(parameters, gradientScale);

    internal override void Sgd(Tensor parameter, Tensor gradient, float gradientScale, Tensor? momentumBuffer, float learningRate,
        float momentum,
        float weightDecay, bool nesterov, bool firstStep) =>
        _inner.Sgd(parameter, gradient, gradientScale, momentumBuffer, learningRate, momentum, weightDecay, nesterov, firstStep);

    internal override double SumOfSquares(Tensor x) => _inner.SumOfSquares(x);

    internal override bool AllFinite(Tensor x) => _inner.AllFinite(x);

    internal override void Close() => _inner.Dispose();

    /// <summary>Runs an op, and flips the sign of its contribution to one output if that is the chosen one.</summary>
    private void Run(string job, Action run, params Output?[] outputs)
    {
        Output? wrong = null;
        foreach (var output in outputs)
        {
            if (output is not null)
            {
                wrong = _contributions.Count == _flipped ? output : wrong;
                _contributions.Add($"{job} {output.Name}");
            }
        }
        float[]? before = wrong is { Added: true } ? wrong.Tensor.ToArray<float>() : null;
        run();
        wrong?.TurnSign(before);
    }

    private static Output Over(string name, Tensor tensor, bool added = false) => new(name, tensor, added, _ => true);

    private static Output? OverIf(string name, Tensor? tensor, bool added) => tensor is null ? null : Over(name, tensor, added);

    private static Output OverColumns(string name, Tensor tensor, bool added, int start, int count) =>
        new(name, tensor, added, column => column >= start && column < start + count);

    private static Output? OverHeads(string name, Heads? heads, bool added) => heads is not { } h ? null
        : new(name, h.Tensor, added, column => Enumerable.Range(0, h.Count).Any(head => column >= h.ColumnOf(head)
            && column < h.ColumnOf(head) + h.Dim));

    /// <summary>An output of an op.</summary>
    private sealed record Output(string Name, Tensor Tensor, bool Added, Func<int, bool> Columns)
    {
        public void TurnSign(float[]? before)
        {
            float[] values = Tensor.ToArray<float>();
            for (int i = 0; i < values.Length; i++)
            {
                if (Columns(i % Tensor.Shape.Columns))
                {
                    values[i] = (before is null ? 0 : 2 * before[i]) - values[i];
                }
            }
            Tensor.Backend.Upload(System.Runtime.InteropServices.MemoryMarshal.AsBytes(values), Tensor);
        }
    }
}
