using System.Diagnostics;
using System.Globalization;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;

namespace PeftCore.Bench;

/// <summary>Starts <c>peftcore serve</c> on the loopback address and streams from it with many clients: counts wrong and lost answers, and
/// prints the rate and the server's resident memory over time.
/// <code>serve-load [SECONDS] [STREAMS] [TOOL]</code></summary>
internal static class ServeLoad
{
    private const int MostSeconds = 300, MostStreams = 512, MostRequests = 200_000, Tokens = 24, Parts = 3;

    private static readonly string[] Adapters = ["a", "b", "c", "d"];
    private static readonly string[] Prompts = ["The old man", "A dog", "She said that", "In the year", "When the door", "It was a"];

    public static int Run(string[] args)
    {
        int seconds = Number(args, 0, 30, MostSeconds), streams = Number(args, 1, 100, MostStreams);
        string tool = args.Length > 2 ? args[2] : Repository.Path("src", "PeftCore.Cli", "bin", "Release", "net10.0", "PeftCore.Cli.dll");
        string directory = Directory.CreateTempSubdirectory("peftcore-load-").FullName;
        try
        {
            MakeAdapters(directory);
            return Measure(directory, tool, TimeSpan.FromSeconds(seconds), streams).GetAwaiter().GetResult();
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static async Task<int> Measure(string directory, string tool, TimeSpan time, int streams)
    {
        using var process = Start(tool, directory);
        try
        {
            var url = new Uri((await process.StandardOutput.ReadLineAsync())!.Split(' ')[^1]);
            _ = process.StandardOutput.ReadToEndAsync();
            process.ErrorDataReceived += (_, _) => { };
            process.BeginErrorReadLine();
            using var alone = new StreamLoad(url);
            var requests = await alone.Expect(from model in Adapters.Prepend("base-llama")
                                              from prompt in Prompts
                                              select new LoadRequest(model, prompt, Tokens));
            int different = requests.Select(request => (request.Prompt, request.Expected)).Distinct().Count();
            Console.WriteLine($"{requests.Count} requests of {Adapters.Length} adapters and the base; {different} different texts alone");
            Console.WriteLine(Text($"before: {Resident(process):N1} MiB resident"));
            int problems = 0;
            // The parts are one load without a pause but to print: memory that grows shows between them.
            for (int part = 0; part < Parts; part++)
            {
                using var load = new StreamLoad(url);
                var seen = await load.Run(requests, streams, time / Parts, MostRequests / Parts);
                problems += seen.Wrong + seen.Lost;
                Console.WriteLine(Text($"{seen.Seconds:N1} s, {streams} streams: {seen.Answered} answered, {seen.Wrong} wrong, ") +
                    Text($"{seen.Lost} lost; {seen.Tokens / seen.Seconds:N0} tok/s; median {At(seen.Latencies, 0.5):N2} s, 99 % ") +
                    Text($"{At(seen.Latencies, 0.99):N2} s; {Resident(process):N1} MiB resident") +
                    (seen.FirstProblem is { } problem ? $"; first problem: {problem}" : ""));
            }
            return problems == 0 ? 0 : 1;
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync();
        }
    }

    private static Process Start(string tool, string directory)
    {
        string[] call =
        [
            "serve", "--model", Repository.Path("src", "PeftCore.Cli", "Demo", "base-llama"), "--adapters-dir", directory, "--port", "0",
            "--max-queue", $"{MostStreams}",
        ];
        bool isManaged = tool.EndsWith(".dll", StringComparison.Ordinal);
        return Process.Start(new ProcessStartInfo(isManaged ? "dotnet" : tool, isManaged ? [tool, .. call] : call)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
    }

    private static void MakeAdapters(string directory)
    {
        using var backend = new CpuBackend(1);
        using var scope = new TensorScope();
        var model = new PeftModel(ModelLoader.Load(Repository.Path("src", "PeftCore.Cli", "Demo", "base-llama"), backend));
        foreach (var (index, name) in Adapters.Index())
        {
            model.AddAdapter(new LoraConfig { Rank = 4, Alpha = 32, Init = LoraInit.Random }, name, seed: (ulong)index + 1);
            model.Save(directory, name);
        }
        model.Unload().Dispose();
    }

    private static double Resident(Process process)
    {
        process.Refresh();
        return process.WorkingSet64 / 1048576.0;
    }

    private static double At(double[] sorted, double share) => sorted.Length == 0 ? double.NaN : sorted[(int)(share * (sorted.Length - 1))];

    private static string Text(FormattableString text) => FormattableString.Invariant(text);

    private static int Number(string[] args, int index, int usual, int most) => args.Length <= index ? usual
        : int.TryParse(args[index], NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= 1 && value <= most ? value
        : throw new ArgumentException($"\"{args[index]}\" is no whole number from 1 to {most}");
}
