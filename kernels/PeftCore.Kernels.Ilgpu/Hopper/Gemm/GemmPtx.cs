using System.Globalization;
using System.Text;

namespace PeftCore.Kernels.Ilgpu.Hopper.Gemm;

/// <summary>
/// Writes the macros of <see cref="WgmmaGemm{TMode}"/> as PTX: barriers and copies that fill a ring of stages, the products that read it,
/// and results in registers. Roles: threads 0–255 are two consumer warpgroups of 64 rows each; thread 256 is the producer. Stage s is full
/// when its barrier has counted its bytes, and empty when every warpgroup that reads it, also in a thread block that shares B, has
/// arrived.
/// </summary>
internal sealed partial class GemmPtx(GemmShape shape)
{
    /// <summary>Numbers of tensor maps in the kernel's second parameter: those of operands first, in pairs of A and B, then those of
    /// results.</summary>
    public const int OperandMaps = 16, ResultMaps = 4, MapBytes = 128;

    private int Registers => shape.TileN / 2;

    /// <summary>Expands the macros in ILGPU's PTX.</summary>
    public string Expand(string ptx) => PtxMacros.Expand(ptx, Write, string.Create(CultureInfo.InvariantCulture,
        $".param .align 64 .b8 peft_maps[{(OperandMaps + ResultMaps) * MapBytes}]"), shape.BlocksPerCluster);

    private bool Write(StringBuilder text, string[] name, string[] a)
    {
        switch (name[0])
        {
            case "begin": Begin(text); break;
            case "griddep_wait": text.Append("griddepcontrol.wait;\n"); break;
            case "setmaxnreg_dec": text.Append("setmaxnreg.dec.sync.aligned.u32 40;\n"); break;
            case "setmaxnreg_inc": text.Append("setmaxnreg.inc.sync.aligned.u32 232;\n"); break;
            case "wait_empty": Wait(text, "empties", a); break;
            case "wait_full": Wait(text, "fulls", a); break;
            case "load": Load(text, a); break;
            case "load_patches": LoadPatches(text, a); break;
            case "multiply": Multiply(text, a); break;
            case "drain": text.Append("wgmma.wait_group.sync.aligned 0;\n"); break;
            case "release": Release(text, a); break;
            case "cluster_sync": ClusterSync(text); break;
            case "end": End(text); break;
            default: return WriteResults(text, name[0], a);
        }
        return true;
    }

    private void Begin(StringBuilder text)
    {
        Add(text, $".reg .f32 acc<{Registers}>;\n.reg .u32 sbase, fulls, empties, staged, mine;\n.reg .u64 descA, descB, maps;\n");
        Add(text, $".reg .pred always, lead, arriver;\n.reg .b16 both;\n");
        Add(text, $"mov.u32 sbase, {PtxMacros.Shared};\nadd.u32 sbase, sbase, 1023;\nand.b32 sbase, sbase, 0xFFFFFC00;\n");
        Add(text, $"setp.eq.u32 always, sbase, sbase;\n");
        Add(text, $"add.u32 fulls, sbase, {shape.BarriersAt};\nadd.u32 empties, fulls, {8 * shape.Stages};\n");
        text.Append("mov.b64 maps, peft_maps;\ncvta.param.u64 maps, maps;\nmov.u16 both, 3;\n");
        text.Append("{\n.reg .u32 at, thread, group;\n.reg .pred first;\nmov.u32 thread, %tid.x;\nshr.u32 group, thread, 7;\n" +
            "and.b32 at, thread, 127;\nsetp.eq.u32 lead, at, 0;\n");
        // Warp r of a warpgroup arrives at the empty barrier of thread block r of the cluster.
        Add(text, $"and.b32 at, thread, 31;\nsetp.eq.u32 arriver, at, 0;\nand.b32 at, thread, 127;\n");
        Add(text, $"setp.lt.and.u32 arriver, at, {32 * shape.Cluster}, arriver;\n");
        Add(text, $"add.u32 mine, group, 1;\nmul.lo.u32 at, group, {GemmShape.SwizzleBlockBytes};\n");
        WgmmaPtx.Descriptor(text, "descA", "at", shape.TransposeA);
        Add(text, $"mov.u32 at, {GemmShape.BytesA};\n");
        WgmmaPtx.Descriptor(text, "descB", "at", shape.RowMajorB);
        Add(text, $"mad.lo.u32 staged, group, {2 * GemmShape.SwizzleBlockBytes}, sbase;\n");
        Add(text, $"add.u32 staged, staged, {shape.Stages * shape.StageBytes};\n");
        text.Append("setp.eq.u32 first, thread, 0;\n");
        for (int s = 0; s < shape.Stages; s++)
        {
            Add(text, $"@first mbarrier.init.shared::cta.b64 [fulls+{8 * s}], 1;\n");
            Add(text, $"@first mbarrier.init.shared::cta.b64 [empties+{8 * s}], {2 * shape.Cluster};\n");
        }
        text.Append("@first fence.mbarrier_init.release.cluster;\nsetp.eq.u32 first, thread, 256;\n@first prefetch.tensormap [maps];\n" +
            "@first prefetch.tensormap [maps+128];\n}\n");
        text.Append(shape.BlocksPerCluster > 1 ? "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n" : "bar.sync 0;\n");
        text.Append("griddepcontrol.launch_dependents;\n");
    }

    // No thread block ends while another of the cluster may use its shared memory, or before its results are read out of it.
    private void End(StringBuilder text)
    {
        if (shape.Store == ResultStore.Copied)
        {
            text.Append("@lead cp.async.bulk.wait_group.read 0;\n");
        }
        if (shape.BlocksPerCluster > 1)
        {
            ClusterSync(text);
        }
    }

    // A barrier of all thread blocks of the cluster.
    private static void ClusterSync(StringBuilder text) =>
        text.Append("bar.warp.sync 0xFFFFFFFF;\nbarrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n");

    // Arguments: stage, parity of the phase to wait for.
    private static void Wait(StringBuilder text, string barriers, string[] a)
    {
        Add(text, $"{{\n.reg .u32 bar;\n.reg .pred over;\nmad.lo.u32 bar, {a[0]}, 8, {barriers};\n");
        Add(text, $"AGAIN:\nmbarrier.try_wait.parity.shared::cta.b64 over, [bar], {a[1]};\n@!over bra AGAIN;\n}}\n");
    }

    // Arguments: stage, index of A's map, k, row and column of the result, this thread block's rank in the cluster; and the row of a
    // row-major B if it is not k.
    private void Load(StringBuilder text, string[] a)
    {
        BeginStage(text, a[0], a[1]);
        for (int block = 0; block < (shape.TransposeA ? 2 : 1); block++)
        {
            Add(text, $"add.u32 row, {a[3]}, {64 * block};\n");
            Copy(text, shape.TransposeA ? "row" : a[2], shape.TransposeA ? a[2] : "row", block * GemmShape.SwizzleBlockBytes, false);
        }
        LoadB(text, a[4], a[5], shape.RowMajorB && a.Length > 6 ? a[6] : a[2]);
    }

    // Arguments: stage; channel, column, row and picture at which the first patch begins; row of the kernel position in the high half and
    // its column in the low half; column of B, this thread block's rank in the cluster, and the row of K of B.
    private void LoadPatches(StringBuilder text, string[] a)
    {
        BeginStage(text, a[0], "0");
        text.Append("{\n.reg .b16 down, across;\n.reg .u32 offsets;\n");
        Add(text, $"mov.u32 offsets, {a[5]};\nmov.b32 {{across, down}}, offsets;\n");
        text.Append("cp.async.bulk.tensor.4d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes ");
        Add(text, $"[at], [map, {{{a[1]}, {a[2]}, {a[3]}, {a[4]}}}], [bar], {{across, down}};\n}}\n");
        LoadB(text, a[6], a[7], a[8]);
    }

    // Announces a stage's bytes to its barrier, and points to the map of A.
    private void BeginStage(StringBuilder text, string stage, string map)
    {
        text.Append("{\n.reg .u32 bar, at, row, column, index;\n.reg .u64 map;\n");
        Add(text, $"mad.lo.u32 bar, {stage}, 8, fulls;\nmbarrier.arrive.expect_tx.shared::cta.b64 _, [bar], {shape.StageBytes};\n");
        Add(text, $"mad.lo.u32 at, {stage}, {shape.StageBytes}, sbase;\nmov.u32 index, {map};\n");
        Add(text, $"mad.wide.u32 map, index, {MapBytes}, maps;\n");
    }

    // B follows A in a stage, and its map that of A.
    private void LoadB(StringBuilder text, string column, string rank, string depth)
    {
        Add(text, $"add.u64 map, map, {MapBytes};\n");
        int share = shape.BytesB / shape.Cluster;
        Add(text, $"add.u32 at, at, {GemmShape.BytesA};\nmov.u32 column, {column};\n");
        if (shape.Cluster > 1)
        {
            Add(text, $"mad.lo.u32 at, {rank}, {share}, at;\nmad.lo.u32 column, {rank}, {shape.ShareN}, column;\n");
        }
        for (int block = 0; block < (shape.RowMajorB ? share / GemmShape.SwizzleBlockBytes : 1); block++)
        {
            Add(text, $"add.u32 row, column, {64 * block};\n");
            Copy(text, shape.RowMajorB ? "row" : depth, shape.RowMajorB ? depth : "row", block * GemmShape.SwizzleBlockBytes,
                shape.Cluster > 1);
        }
        text.Append("}\n");
    }

    private static void Copy(StringBuilder text, string inner, string outer, int offset, bool shared)
    {
        Add(text, $"{{\n.reg .u32 to;\nadd.u32 to, at, {offset};\n");
        Add(text, $"cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes{(shared ? ".multicast::cluster" : "")} ");
        Add(text, $"[to], [map, {{{inner}, {outer}}}], [bar]{(shared ? ", both" : "")};\n}}\n");
    }

    // Arguments: stage, and 0 to start new sums.
    private void Multiply(StringBuilder text, string[] a)
    {
        string sums = string.Join(", ", Enumerable.Range(0, Registers).Select(i => "acc" + i.ToString(CultureInfo.InvariantCulture)));
        Add(text, $"{{\n.reg .u64 da, db;\n.reg .pred on;\nsetp.ne.s32 on, {a[1]}, 0;\n");
        Add(text, $"mad.wide.u32 da, {a[0]}, {shape.StageBytes >> 4}, descA;\n");
        Add(text, $"mad.wide.u32 db, {a[0]}, {shape.StageBytes >> 4}, descB;\nwgmma.fence.sync.aligned;\n");
        for (int k = 0; k < GemmShape.Depth; k += 16)
        {
            Add(text, $"wgmma.mma_async.sync.aligned.m64n{shape.TileN}k16.f32.bf16.bf16 {{{sums}}}, da, db, ");
            Add(text, $"{(k == 0 ? "on" : "always")}, 1, 1, {Bit(shape.TransposeA)}, {Bit(shape.RowMajorB)};\n");
            if (k + 16 < GemmShape.Depth)
            {
                Add(text, $"add.u64 da, da, {WgmmaPtx.Step(shape.TransposeA)};\nadd.u64 db, db, {WgmmaPtx.Step(shape.RowMajorB)};\n");
            }
        }
        text.Append("wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 1;\n}\n");
    }

    private void Release(StringBuilder text, string[] a)
    {
        Add(text, $"{{\n.reg .u32 bar, rank;\nmad.lo.u32 bar, {a[0]}, 8, empties;\n");
        text.Append(shape.Cluster > 1
            ? "mov.u32 rank, %tid.x;\nshr.u32 rank, rank, 5;\nand.b32 rank, rank, 3;\nmapa.shared::cluster.u32 bar, bar, rank;\n" +
            "@arriver mbarrier.arrive.shared::cluster.b64 _, [bar];\n}\n"
            : "@arriver mbarrier.arrive.shared::cta.b64 _, [bar];\n}\n");
    }

    private static int Bit(bool value) => value ? 1 : 0;

    private static void Add(StringBuilder text, FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture));
}
