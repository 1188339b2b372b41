using ILGPU;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.Runtime.Cuda;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Ampere;
using PeftCore.Kernels.Ilgpu.Ampere.Quantized;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;
using PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Every kernel compiles to PTX, without a GPU, and the PTX has none of the known faults of ILGPU's compiler.</summary>
public sealed class PtxTests
{
    [TestCase(8)]
    [TestCase(9)]
    public void Every_kernel_compiles_to_ptx_without_local_memory(int major)
    {
        using var context = GpuDevice.NewContext(cuda: false);
        using var compiler = new Compiler(context, major == 8 ? CudaArchitecture.SM_80 : CudaArchitecture.SM_90);

        KernelCatalog.Visit<Block16x16>(compiler);

        Assert.That(compiler.Failures, Is.Empty);
        Assert.That(compiler.Kernels, Is.SupersetOf(AllKernels().Where(kernel => !UsesTensorCores(kernel))));
    }

    [Test]
    public void Attention_kernels_compile_to_ptx_for_hopper_without_local_memory()
    {
        using var context = GpuDevice.NewContext(cuda: false);
        using var backend = PtxLoader.NewBackend(context);
        var compiler = new WgmmaCompiler(backend);

        KernelCatalog.VisitFlash(compiler);

        Assert.That(compiler.Texts, Has.Count.EqualTo(38));
        Assert.That(compiler.Texts, Has.All.Contains(".target sm_90a").And.All.Contains("wgmma.mma_async").And.All.Contains(
            ".maxntid 256"));
        Assert.That(compiler.Texts, Has.None.Contains(".local").And.None.Contains("peft."));
        Assert.That(compiler.Texts.SelectMany(LostCopies.In), Is.Empty);
    }

    [Test]
    public void A_product_compiles_to_ptx_for_hopper_without_local_memory_in_every_shape()
    {
        using var context = GpuDevice.NewContext(cuda: false);
        using var backend = PtxLoader.NewBackend(context);
        string rows = PtxLoader.Compile<WgmmaGemm<MulticastB>, WgmmaArgs>(backend, GemmShape.Threads, 1);
        string depth = PtxLoader.Compile<WgmmaGemm<SplitKCluster>, WgmmaArgs>(backend, GemmShape.Threads, 1);
        string patches = PtxLoader.Compile<WgmmaGemm<PatchesOfA>, WgmmaArgs>(backend, GemmShape.Threads, 1);

        string[] texts = [.. GemmShapes.All.Select(shape => new GemmPtx(shape).Expand(shape.SplitK > 1 ? depth : rows)),
            .. GemmShapes.All.Where(shape => shape is { SplitK: 1, TransposeA: false })
                .Select(shape => new GemmPtx(shape).Expand(patches))];

        Assert.That(texts, Has.All.Contains(".target sm_90a").And.All.Contains("wgmma.mma_async").And.All.Contains(".maxntid 384"));
        Assert.That(texts, Has.None.Contains(".local").And.None.Contains("peft."));
        Assert.That((string[])[.. LostCopies.In(rows), .. LostCopies.In(depth), .. LostCopies.In(patches)], Is.Empty);
    }

    [Test]
    public void A_ragged_product_compiles_to_ptx_for_hopper_without_local_memory_in_every_shape()
    {
        using var context = GpuDevice.NewContext(cuda: false);
        using var backend = PtxLoader.NewBackend(context);
        string compiled = PtxLoader.Compile<WgmmaRaggedGemm, WgmmaRaggedArgs<ArrayView<int>>>(backend, GemmShape.Threads, 1);
        var shapes = from columns in new[] { 8, 32, 33, 64, 96, 128, 129, 768, 1536 }
                     from rowMajor in new[] { false, true }
                     from bf16 in new[] { false, true }
                     select WgmmaRaggedLauncher.ShapeOf(columns, rowMajor, bf16, address: 0);

        string[] texts = [.. shapes.Distinct().Select(shape => new GemmPtx(shape).Expand(compiled))];

        Assert.That(texts, Has.All.Contains(".target sm_90a").And.All.Contains("wgmma.mma_async").And.All.Contains(".maxntid 384"));
        Assert.That(texts, Has.None.Contains(".local").And.None.Contains("peft."));
        Assert.That(LostCopies.In(compiled), Is.Empty);
    }

    [Test]
    public void A_ragged_product_takes_the_tile_that_wastes_the_least() => Assert.That(
        (int[])[.. ((int[])[8, 32, 64, 100, 192, 768, 1536]).Select(n => WgmmaRaggedLauncher.ShapeOf(n, false, true, 0).TileN)],
        Is.EqualTo(new[] { 16, 32, 64, 128, 256, 256, 256 }));

    [Test]
    public void A_product_compiles_to_ptx_for_ampere_without_local_memory_in_every_layout()
    {
        using var context = GpuDevice.NewContext(cuda: false);
        using var backend = PtxLoader.NewBackend(context);
        var shapes = from transposeA in new[] { false, true }
                     from rowMajorB in new[] { false, true }
                     from bf16Result in new[] { false, true }
                     from store in new[] { ResultStore.Pairs, ResultStore.Singles }
                     select new MmaShape(transposeA, rowMajorB, bf16Result, store);

        string[] texts = [.. shapes.Select(shape => new MmaPtx(shape).Expand(MmaGemmKernels.Compile(backend, shape)))];

        Assert.That(texts, Has.All.Contains(".target sm_80").And.All.Contains("mma.sync.aligned.m16n8k16").And.All.Contains(
            ".maxntid 128"));
        Assert.That(texts, Has.None.Contains(".local").And.None.Contains("peft.").And.None.Contains("wgmma"));
        Assert.That(texts.SelectMany(LostCopies.In), Is.Empty);
    }

    [Test]
    public void An_int8_product_compiles_to_ptx_without_local_memory()
    {
        using var context = GpuDevice.NewContext(cuda: false);
        using var backend = PtxLoader.NewBackend(context);
        var shapes = from bf16Result in new[] { false, true }
                     from store in new[] { ResultStore.Pairs, ResultStore.Singles }
                     select new MmaShape(false, false, bf16Result, store, Int8: true);

        string[] texts = [.. shapes.Select(shape => new MmaPtx(shape).Expand(MmaGemmKernels.Compile(backend, shape)))];

        Assert.That(texts, Has.All.Contains("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32").And.All.Contains("cvt.rn.f32.s32"));
        Assert.That(texts, Has.None.Contains(".local").And.None.Contains("peft.").And.None.Contains("bf16.bf16"));
    }

    [Test]
    public void Kernels_of_quantised_weights_compile_to_ptx_without_local_memory_in_every_shape()
    {
        using var context = GpuDevice.NewContext(cuda: false);
        using var backend = PtxLoader.NewBackend(context);
        string dequantize = PtxLoader.Compile<DequantizeKernel, DequantizeArgs>(backend, DequantizeShape.Threads, 1);
        string stream = PtxLoader.Compile<StreamKernel, StreamArgs>(backend, StreamShape.Threads, StreamShape.BlocksPerProcessor);
        bool[] flags = [false, true];
        string[] texts =
        [
            .. from fourBits in flags
               from doubled in flags
               select new DequantizePtx(new DequantizeShape(fourBits, fourBits && doubled)).Expand(dequantize),
            .. from tiles in new[] { 1, 2 }
               from few in flags
               from doubled in flags
               from bf16 in flags
               from early in flags
               select new StreamPtx(new StreamShape(tiles, few, doubled, bf16, early)).Expand(stream),
        ];

        Assert.That(texts, Has.None.Contains(".local").And.None.Contains("peft."));
        Assert.That(texts[4..], Has.All.Contains("mma.sync.aligned.m16n8k16"));
        Assert.That((string[])[.. LostCopies.In(dequantize), .. LostCopies.In(stream)], Is.Empty);
    }

    [Test]
    public void A_pass_over_a_tall_matrix_compiles_to_ptx_for_hopper_without_local_memory_in_every_shape()
    {
        using var context = GpuDevice.NewContext(cuda: false);
        using var backend = PtxLoader.NewBackend(context);
        string compiled = PtxLoader.Compile<SkinnyGemmKernel, SkinnyGemmArgs>(backend, SkinnyGemmShape.Threads, 1);
        var shapes = from tiles in Enumerable.Range(1, SkinnyGemmShape.MostTiles)
                     from right in new[] { false, true }
                     from warpColumns in new[] { 1, 2, 4, 8 }
                     select new SkinnyGemmShape(tiles, right, true, warpColumns);

        string[] texts = [.. shapes.Select(shape => new SkinnyGemmPtx(shape).Expand(compiled))];

        Assert.That(texts, Has.All.Contains(".target sm_90a").And.All.Contains("mma.sync.aligned.m16n8k16").And.All.Contains(
            ".maxntid 256"));
        Assert.That(texts, Has.None.Contains(".local").And.None.Contains("peft."));
        Assert.That(LostCopies.In(compiled), Is.Empty);
    }

    private static IEnumerable<Type> AllKernels() => typeof(KernelCatalog).Assembly.GetTypes()
        .Where(type => type.IsValueType && Array.Exists(type.GetInterfaces(), one => one.Name == typeof(IKernel<>).Name));

    // Those that the other tests compile.
    private static bool UsesTensorCores(Type kernel) => kernel.Namespace!.Contains(".Hopper.", StringComparison.Ordinal)
        || kernel.Namespace.Contains(".Ampere", StringComparison.Ordinal);

    private sealed class WgmmaCompiler(PTXBackend backend) : IKernelVisitor
    {
        public List<string> Texts { get; } = [];

        public void Visit<TKernel, TArgs>()
            where TKernel : struct, IKernel<TArgs>
            where TArgs : struct => Texts.Add(FlashKernels.Compile<TKernel, TArgs>(backend, new LaunchShape(256, 1, 0)));
    }

    private sealed class Compiler(Context context, CudaArchitecture architecture) : IKernelVisitor, IDisposable
    {
        private readonly PTXBackend _backend = new(context, architecture, CudaInstructionSet.ISA_80, null!);

        public List<string> Failures { get; } = [];

        public HashSet<Type> Kernels { get; } = [];

        public void Visit<TKernel, TArgs>()
            where TKernel : struct, IKernel<TArgs>
            where TArgs : struct
        {
            var kernelType = typeof(TKernel);
            Kernels.Add(kernelType.IsGenericType ? kernelType.GetGenericTypeDefinition() : kernelType);
            Action<TArgs> run = TKernel.Run;
            try
            {
                var kernel = (PTXCompiledKernel)_backend.Compile(EntryPointDescription.FromExplicitlyGroupedKernel(run.Method), default);
                if (kernel.PTXAssembly.Contains(".local", StringComparison.Ordinal))
                {
                    Failures.Add($"{typeof(TKernel)} keeps something in local memory");
                }
                Failures.AddRange(LostCopies.In(kernel.PTXAssembly).Select(lost => $"{typeof(TKernel)} loses the value of {lost}"));
            }
            catch (Exception e) when (e is InternalCompilerException or NotSupportedException or CapabilityNotSupportedException)
            {
                Failures.Add($"{typeof(TKernel)}: {e.GetBaseException().Message}");
            }
        }

        public void Dispose() => _backend.Dispose();
    }
}
