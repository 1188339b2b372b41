using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Bench;

/// <summary>Loading 256 MiB of weights, from the system's file cache, into tensors: by the memory map, as models are loaded, and by opening
/// alone, which reads the header and checks it. The peer is reading the raw file into one buffer.</summary>
[Config(typeof(Settings))]
public unsafe class SafetensorsBenchmark
{
    private const int Tensors = 16, Rows = 2048, Columns = 4096;
    private const long Bytes = (long)Tensors * Rows * Columns * 2;

    private readonly string _path = Path.Combine(Path.GetTempPath(), $"peftcore-bench-{Environment.ProcessId}.safetensors");
    private readonly List<Tensor> _into = [];
    private CpuBackend? _backend;
    private byte* _buffer;

    [GlobalSetup]
    public void Setup()
    {
        byte[] bytes = new byte[Bytes / Tensors];
        new Random(1).NextBytes(bytes);
        SafetensorsWriter.Write(_path, Enumerable.Range(0, Tensors)
            .Select(i => new SafetensorsTensor($"layer.{i}.weight", "BF16", [Rows, Columns], bytes)));
        _buffer = (byte*)NativeMemory.AlignedAlloc((nuint)new FileInfo(_path).Length, 64);
        _backend = new CpuBackend();
        _into.AddRange(Enumerable.Range(0, Tensors).Select(_ => _backend.NewTensor([Rows, Columns], DType.BF16).Keep()));
        // Writes the memory once, so that no benchmark includes the first page faults.
        _into.ForEach(_backend.Zero);
        RawRead();
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _into.ForEach(tensor => tensor.Dispose());
        _into.Clear();
        _backend?.Dispose();
        NativeMemory.AlignedFree(_buffer);
        File.Delete(_path);
    }

    [Benchmark(Baseline = true)]
    public long RawRead()
    {
        using var file = File.OpenHandle(_path);
        long length = RandomAccess.GetLength(file), at = 0;
        while (at < length)
        {
            at += RandomAccess.Read(file, new Span<byte>(_buffer + at, (int)Math.Min(length - at, 1 << 24)), at);
        }
        return at;
    }

    [Benchmark]
    public void MappedIntoTensors()
    {
        using var source = WeightSource.OpenFile(_path);
        for (int i = 0; i < Tensors; i++)
        {
            _backend!.Upload(source.Get($"layer.{i}.weight").Bytes, _into[i]);
        }
    }

    [Benchmark]
    public int OpenOnly()
    {
        using var source = WeightSource.OpenFile(_path);
        return source.Names.Count;
    }

    private sealed class Settings : ManualConfig
    {
        public Settings() => AddColumn(new Rate("GB/s", "bytes of the tensors (of OpenOnly, which reads none of them, too);", _ => Bytes));
    }
}
