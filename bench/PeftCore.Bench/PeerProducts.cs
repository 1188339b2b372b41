using System.Diagnostics;
using System.Globalization;
using System.Runtime.Intrinsics;
using PeftCore.Kernels;

namespace PeftCore.Bench;

/// <summary>Runs matrix products here and in the scripts of bench/peers that Python can run, one after the other, and prints the ratio.
/// <code>dotnet run -c Release --project bench/PeftCore.Bench -- peers [PYTHON [THREADS [MxNxK …]]]</code></summary>
internal static class PeerProducts
{
    private static readonly string[] Usual = ["512x512x512", "1024x1024x1024", "2048x2048x2048", "128x2304x768", "1x2304x768"];

    /// <returns>0; 2 if no peer could be run, after a message that names what is missing.</returns>
    public static int Run(string[] args)
    {
        string python = args.Length > 0 ? args[0] : "python3";
        int threads = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : Environment.ProcessorCount;
        string[] sizes = args.Length > 2 ? args[2..] : Usual;
        using WorkerPool pool = new(threads);
        bool any = false;
        foreach (string script in new[] { "gemm_numpy.py", "gemm_torch_cpu.py" })
        {
            foreach (string size in sizes)
            {
                var (line, problem) = Peer(python, script, threads, size);
                if (problem is not null)
                {
                    Console.Error.WriteLine(problem);
                    break;
                }
                any = true;
                double rate = Ours(size, pool), peer = double.Parse(line!.Split(": ")[1].Split(' ')[0], CultureInfo.InvariantCulture);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"{line}; here {rate:0.0} GFLOP/s, {rate / peer:0.00} times as fast"));
            }
        }
        return any ? 0 : 2;
    }

    private static (string? Line, string? Problem) Peer(string python, string script, int threads, string size)
    {
        var start = new ProcessStartInfo(python) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Repository.Path("bench", "peers", script));
        if (script == "gemm_torch_cpu.py")
        {
            start.ArgumentList.Add("--threads");
            start.ArgumentList.Add(threads.ToString(CultureInfo.InvariantCulture));
        }
        start.ArgumentList.Add(size);
        start.Environment["OPENBLAS_NUM_THREADS"] = threads.ToString(CultureInfo.InvariantCulture);
        // OpenBLAS does not recognise processors newer than itself; a value that is already set may be slower.
        start.Environment["OPENBLAS_CORETYPE"] = Vector512.IsHardwareAccelerated ? "SKYLAKEX" : "HASWELL";
        try
        {
            using var process = Process.Start(start)!;
            var errors = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd().Trim();
            process.WaitForExit();
            return process.ExitCode == 0 ? (output, null) : (null, $"{script} did not run: {errors.Result.Trim()}");
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return (null, $"{script} did not run: there is no {python} ({e.Message}); install Python 3, or name one: peers " +
                "/usr/bin/python3");
        }
    }

    private static double Ours(string size, WorkerPool pool)
    {
        int[] n = [.. size.Split('x').Select(part => int.Parse(part, CultureInfo.InvariantCulture))];
        float[] x = new float[n[0] * n[2]], w = new float[n[1] * n[2]], y = new float[n[0] * n[1]];
        Philox.FillUniform(x, -1, 1, 1, 0);
        Philox.FillUniform(w, -1, 1, 1, 1);
        var times = new List<double>();
        long begin = Stopwatch.GetTimestamp();
        while (times.Count < 9 || Stopwatch.GetElapsedTime(begin).TotalSeconds < 0.5)
        {
            long start = Stopwatch.GetTimestamp();
            Gemm.Multiply(n[0], n[1], n[2], Operand.F32(x, n[2]), false, Operand.F32(w, n[2]), true, y, n[1], 1f, false, pool);
            times.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return 2.0 * n[0] * n[1] * n[2] / times.Skip(2).Order().ElementAt((times.Count - 2) / 2) / 1e9;
    }
}
