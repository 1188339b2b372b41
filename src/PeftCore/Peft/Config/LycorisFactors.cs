using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>Low-rank factors A·B of a matrix (out, in) of the LyCORIS project. Those of a convolution's kernel may have a third factor over
/// the kernel, a CP decomposition ("effective conv2d"): B is then Σ_q t[·, q, k]·b[q, c], and a and b are stored with their ranks
/// first.</summary>
internal sealed class LycorisFactors
{
    private readonly (string A, string B, string Kernel) _names;
    private readonly Parameter _a;
    private readonly Parameter? _kernel;

    private LycorisFactors((string A, string B, string Kernel) names, Parameter a, Parameter b, Parameter? kernel) =>
        (_names, _a, B, _kernel) = (names, a, b, kernel);

    /// <summary>The parameter of the inputs.</summary>
    public Parameter B { get; }

    /// <summary>The parameter of the outputs.</summary>
    public Parameter A => _a;

    /// <summary>A, (out, r).</summary>
    public Tensor Up => _kernel is null ? _a.Value : _a.Value.Transpose();

    /// <summary>B, (r, in).</summary>
    public Tensor Down
    {
        get
        {
            if (_kernel is null)
            {
                return B.Value;
            }
            int r = B.Shape[0], channels = B.Shape[1], taps = (int)(_kernel.Shape.Count / r / r);
            // M[p] (channels, taps) = bᵀ·t[p]
            var product = new BatchedProduct(r, channels, r, taps, new(0, 1, channels), new(r * taps, taps, 1),
                new(channels * taps, taps, 1));
            return B.Value.MatMulBatched(_kernel.Value, product, [r, channels * taps]);
        }
    }

    public IEnumerable<AdapterParameter> Parameters =>
    [
        Named(_names.A, _a), Named(_names.B, B), .. _kernel is null ? (AdapterParameter[])[] : [Named(_names.Kernel, _kernel)],
    ];

    /// <summary>The positions of a layer's kernel, and whether they have a factor of their own.</summary>
    public static (int Height, int Width, bool Separate) KernelOf(MatrixLayer layer, bool effective) => layer switch
    {
        // Over sequences the file's kernel is (length, 1).
        Convolution { Spec: { Axes: 1 } spec } => (spec.KernelWidth, 1, effective && spec.KernelWidth > 1),
        Convolution { Spec: var spec } => (spec.KernelHeight, spec.KernelWidth, effective && spec.KernelHeight * spec.KernelWidth > 1),
        _ => (1, 1, false),
    };

    /// <summary>Allocates the factors.</summary>
    public static LycorisFactors Of(AttachContext context, int outputs, int channels, (int Height, int Width, bool Separate) kernel,
        int rank, (string A, string B, string Kernel) names) => kernel.Separate
        ? new(names, context.NewParameter([rank, outputs]), context.NewParameter([rank, channels]),
            context.NewParameter([rank, rank, kernel.Height, kernel.Width]))
        : new(names, context.NewParameter([outputs, rank]),
            context.NewParameter([rank, channels * kernel.Height * kernel.Width]), null);

    /// <summary>Draws all factors.</summary>
    public void Kaiming(ulong seed, ulong streamOfA, ulong streamOfB, ulong streamOfKernel)
    {
        _a.Kaiming(seed, streamOfA);
        B.Kaiming(seed, streamOfB);
        _kernel?.Kaiming(_kernel.Shape.Count / _kernel.Shape[0], seed, streamOfKernel);
    }

    private static AdapterParameter Named(string name, Parameter parameter) => new("", name + ".{0}", name, parameter);
}
