using System.Diagnostics;
using System.Globalization;

namespace PodCheckpointing.Runtime.Metrics;

/// <summary>What this process needs; the names are those of Prometheus' own clients.</summary>
public static class ProcessMetrics
{
    /// <summary>All of them.</summary>
    public static readonly MetricSet Set = new("PodCheckpointing.Process");

    private static readonly ObservedMetric Resident = Set.ObservedGauge(
        "process_resident_memory_bytes", "Memory that is in use, as the kernel counts it");

    private static readonly ObservedMetric Cpu = Set.ObservedCounter(
        "process_cpu_seconds_total", "Processor time, user and system");

    private static readonly ObservedMetric Start = Set.ObservedGauge(
        "process_start_time_seconds", "When the process began, Unix time");

    private static readonly ObservedMetric OpenFiles = Set.ObservedGauge(
        "process_open_fds", "Open file descriptors");

    private static readonly ObservedMetric MostFiles = Set.ObservedGauge(
        "process_max_fds", "File descriptors that may be open");

    private static readonly ObservedMetric Threads = Set.ObservedGauge(
        "process_threads", "Threads, as the kernel counts them");

    private static readonly ObservedMetric Heap = Set.ObservedGauge(
        "dotnet_gc_heap_bytes", "Size of the managed heap after the last collection, fragments included");

    private static readonly ObservedMetric Allocated = Set.ObservedCounter(
        "dotnet_gc_allocated_bytes_total", "Managed memory that was ever allocated");

    private static readonly ObservedMetric Collections = Set.ObservedCounter(
        "dotnet_gc_collections_total", "Garbage collections", new MetricLabel("generation", "0", "1", "2"));

    private static readonly ObservedMetric Pauses = Set.ObservedCounter(
        "dotnet_gc_pause_seconds_total", "Time that all threads stood still for garbage collections");

    private static readonly ObservedMetric PoolQueue = Set.ObservedGauge(
        "dotnet_threadpool_queue_length", "Work that waits for a thread of the pool");

    private static readonly ObservedMetric PoolThreads = Set.ObservedGauge(
        "dotnet_threadpool_threads", "Threads of the pool");

    static ProcessMetrics()
    {
        var start = (Process.GetCurrentProcess().StartTime.ToUniversalTime() - DateTime.UnixEpoch).TotalSeconds;
        Resident.From(() => Environment.WorkingSet);
        Cpu.From(() => Environment.CpuUsage.TotalTime.TotalSeconds);
        Start.From(() => start);
        OpenFiles.From(() => Directory.EnumerateFileSystemEntries("/proc/self/fd").Count());
        MostFiles.From(() => double.Parse(
            File.ReadLines("/proc/self/limits").Single(l => l.StartsWith("Max open files", StringComparison.Ordinal))
                .Split(' ', StringSplitOptions.RemoveEmptyEntries)[3],
            CultureInfo.InvariantCulture));
        Threads.From(() => Directory.EnumerateDirectories("/proc/self/task").Count());
        Heap.From(() => GC.GetGCMemoryInfo().HeapSizeBytes);
        Allocated.From(() => GC.GetTotalAllocatedBytes());
        Collections.From(() => Enumerable.Range(0, GC.MaxGeneration + 1).Select(g =>
            Collections.Value(GC.CollectionCount(g), g.ToString(CultureInfo.InvariantCulture))));
        Pauses.From(() => GC.GetTotalPauseDuration().TotalSeconds);
        PoolQueue.From(() => ThreadPool.PendingWorkItemCount);
        PoolThreads.From(() => ThreadPool.ThreadCount);
    }
}
