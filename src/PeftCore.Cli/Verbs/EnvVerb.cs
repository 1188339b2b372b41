using System.Runtime.InteropServices;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Ilgpu;

namespace PeftCore.Cli.Verbs;

/// <summary>Prints versions, processor, devices and memory of this machine.</summary>
internal sealed class EnvVerb() : Verb("env", "Show versions, CPU features, memory and devices.")
{
    private const string Missing = "not in this program, which was compiled ahead of time (native AOT)";

    public override bool Computes => false;

    public override VerbResult Run(Invocation call)
    {
        var ilgpu = Devices.FindGpus();
        var devices = ilgpu?.Devices ?? [];
        string[] features = [.. Processor.Features()];
        long memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

        List<string[]> rows =
        [
            ["peftcore", Tool.ToolVersion],
            ["runtime", $"{RuntimeInformation.FrameworkDescription} on {RuntimeInformation.OSDescription}, " +
            $"{RuntimeInformation.ProcessArchitecture}"],
            ["cpu", $"{Processor.Name()}, {Environment.ProcessorCount} logical cores"],
            ["vectors", $"{Processor.VectorBits} bits: {string.Join(", ", features.DefaultIfEmpty("none"))}"],
            ["memory", $"{new ByteSize(memory)} for this process"],
            ["ilgpu", ilgpu is null ? Missing : $"{ilgpu.Version}, {ilgpu.Detail}"],
            ["device", $"cpu: {Processor.Name()}"],
            .. devices.Select(device => new[] { "device", Describe(device) }),
        ];
        call.Table(rows, hasHeader: false);

        return VerbResult.Done(new JsonReport()
            .Add("version", Tool.ToolVersion)
            .Add("runtime", RuntimeInformation.FrameworkDescription)
            .Add("os", RuntimeInformation.OSDescription)
            .Add("architecture", RuntimeInformation.ProcessArchitecture.ToString())
            .Add("cpu", new JsonReport().Add("name", Processor.Name()).Add("cores", Environment.ProcessorCount)
                .Add("vector_bits", Processor.VectorBits).Add("features", features))
            .Add("memory_bytes", memory)
            .Add("ilgpu", new JsonReport().Add("found", ilgpu is not null).Add("version", ilgpu?.Version)
                .Add("detail", ilgpu?.Detail ?? Missing))
            .Add("devices", devices
                .Select(device => new JsonReport().Add("kind", device.Kind).Add("name", device.Name).Add("memory_bytes", device.MemoryBytes)
                    .Add("architecture", device.Architecture))
                .Prepend(new JsonReport().Add("kind", "cpu").Add("name", Processor.Name()).Add("memory_bytes", memory)
                    .Add("architecture", RuntimeInformation.ProcessArchitecture.ToString()))));
    }

    private static string Describe(ComputeDevice device) =>
        $"{device.Kind}: {device.Name}"
        + (device.Architecture is { } architecture ? $", {architecture}" : "")
        + (device.MemoryBytes is { } bytes ? $", {new ByteSize(bytes)}" : "");
}
